// Package inventory lists the packages of an image, from the layers that it is made of.
//
// It trusts no layer: what is read of one is bounded in bytes, entries and memory, nothing is unpacked to a disk, and a layer that
// isn't what it should be is an error.
package inventory

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
)

// Made is which way of listing packages this is. What an older one listed is listed again.
const Made = 1

// A Kind is whose package it is.
type Kind string

// The kinds of packages.
const (
	Deb Kind = "deb"
	Apk Kind = "apk"
	Go  Kind = "go" // a module in a program
)

// System is the operating system of an image, as its os-release says (os-release(5)).
type System struct {
	ID      string `json:",omitempty"` // "debian", "ubuntu", "alpine"; "": it has none
	Version string `json:",omitempty"`
	Name    string `json:",omitempty"` // for people
}

// Package is one of an image.
type Package struct {
	Kind    Kind
	Name    string
	Version string
	// Source is the package that it was built from, which advisories are about, where that has another name or version.
	Source        string `json:",omitempty"`
	SourceVersion string `json:",omitempty"`
}

// Origin is the name and the version that advisories have of it.
func (p Package) Origin() (name, version string) {
	return cmp.Or(p.Source, p.Name), cmp.Or(p.SourceVersion, p.Version)
}

// Inventory is what an image has.
type Inventory struct {
	System   System
	Packages []Package // in order, each once
}

// sorted puts packages in order and leaves repeated ones away.
func sorted(list []Package) []Package {
	slices.SortFunc(list, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Source, b.Source), cmp.Compare(a.SourceVersion, b.SourceVersion))
	})
	return slices.Compact(list)
}

// mostDecoded is how long an inventory may be, in bytes, before it is compressed.
const mostDecoded = 16 << 20

// Encode makes bytes of it, for Decode.
func (v Inventory) Encode() ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode an inventory: %w", err)
	}
	if len(text) > mostDecoded {
		return nil, &TooLargeError{"its list of packages"}
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(text) // a buffer takes all
	err = w.Close()
	return out.Bytes(), err
}

// Decode reads what Encode made.
func Decode(b []byte) (v Inventory, err error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return v, fmt.Errorf("decode an inventory: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(r, mostDecoded+1))
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		return v, fmt.Errorf("decode an inventory: %w", err)
	}
	return v, nil
}

// TooLargeError says of what there is more than is read.
type TooLargeError struct{ What string }

func (e *TooLargeError) Error() string { return e.What + " is larger than Skylift reads" }

// MalformedError says what is wrong with a layer.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return e.Reason }

func malformed(what string, err error) error { return &MalformedError{what + ": " + err.Error()} }
