// Package web holds what every HTTP face of Tidemark has in common.
//
// An error is answered as application/problem+json ([Problem]): a status a program can
// act on, a sentence a person can. Every answer tells browsers to take it for nothing
// but what it is ([Secured]).
package web
