package efs

import (
	"encoding/base64"
	"slices"
	"strings"
)

const maxPage = 100

// page returns the part of all that marker and size ask for, in the order of
// their keys, and the marker of the next.
func page[T any](all []T, key func(T) string, marker *string, size *int32) ([]T, *string, error) {
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	if marker != nil {
		after, err := base64.RawURLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, badRequest("The marker '%s' is not one that was returned.", *marker)
		}
		i, found := slices.BinarySearchFunc(all, string(after), func(v T, s string) int { return strings.Compare(key(v), s) })
		if found {
			i++
		}
		all = all[i:]
	}
	n := maxPage
	if size != nil {
		n = min(n, int(*size))
	}
	if len(all) <= n {
		return all, nil, nil
	}
	all = all[:n]
	return all, new(base64.RawURLEncoding.EncodeToString([]byte(key(all[n-1])))), nil
}
