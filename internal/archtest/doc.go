// Package archtest holds the whole tree to the shape that docs/architecture.md
// describes.
//
// Imports only go down, a library is imported only where it was taken in for, no
// package variable changes, nothing happens before main, and packages, files and
// functions keep to their budgets. The sources are read
// by the test itself, so that its cached result is never older than they are.
package archtest
