// Package postgres opens the record's database.
//
// It knows how to connect ([Connect]), how to run a transaction that survives
// deadlocks ([InTx]), how the schema is made ([Migrate]) and whether the live
// one is fit to work on ([CheckSchema]). It knows nothing of jobs beyond their
// dedup indexes.
package postgres
