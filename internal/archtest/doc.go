// Package archtest holds the whole tree to the shape that docs/architecture.md
// describes.
//
// Imports only go down, a library stays in the room it was taken in for, no
// package variable changes, nothing happens before main. The sources are read
// by the test itself, so that its cached result is never older than they are.
package archtest
