// Package cli is the command line of Tidemark, one file a command.
//
// Settings are given by flag or by environment variable, in that order. Flags stand
// after the command they belong to. Where a secret may be part of a setting (the
// database, Redis), the flag refuses it: arguments are there for every user of the
// machine to see.
//
// Exit codes: 0 done, 1 failed (also: the job that was waited for failed), 2 the command
// was refused before anything was done.
package cli
