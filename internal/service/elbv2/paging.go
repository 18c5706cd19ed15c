package elbv2

import (
	"encoding/base64"
	"slices"
	"strings"
)

const maxPage = 400

// page returns the part of all, which is ordered by key, that marker and size
// ask for, and the marker of the next.
func page[T any](all []T, key func(T) string, marker *string, size *int32) ([]T, *string, error) {
	if marker != nil && *marker != "" {
		after, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, invalid("Marker '%s' is not valid", *marker)
		}
		i, found := slices.BinarySearchFunc(all, string(after), func(v T, s string) int { return strings.Compare(key(v), s) })
		if found {
			i++
		}
		all = all[i:]
	}
	n := maxPage
	if size != nil {
		n = int(*size)
	}
	if len(all) <= n {
		return all, nil, nil
	}
	all = all[:n]
	return all, new(base64.RawURLEncoding.EncodeToString([]byte(key(all[n-1])))), nil
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// or returns what p points at, or what holds when it is nil.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
