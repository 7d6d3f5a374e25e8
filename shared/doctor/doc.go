// Package doctor judges whether an installation is in order.
//
// [Read] collects facts from PostgreSQL, Redis and, where its address is given, Prometheus. It
// only reads. [Examine] is a pure function of them: each of the [Checks] looks at one
// thing, and says what is wrong and what to do about it. What could not be read is never
// taken for good: such a check is [Unknown], which counts as a warning.
//
// Whether scopes are stale is not asked here, but whether what keeps them fresh works.
package doctor
