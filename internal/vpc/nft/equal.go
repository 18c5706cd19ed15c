package nft

import (
	"bytes"
	"reflect"
	"slices"

	"github.com/google/nftables/expr"
)

// sameRules tells whether chains have the same rules. All of a program are compared at each change, so the kinds of which
// there are many are compared by themselves.
func sameRules(a, b [][]expr.Any) bool {
	return slices.EqualFunc(a, b, func(a, b []expr.Any) bool { return slices.EqualFunc(a, b, sameExpr) })
}

func sameExpr(a, b expr.Any) bool {
	switch a := a.(type) {
	case *expr.Cmp:
		b, ok := b.(*expr.Cmp)
		return ok && a.Op == b.Op && a.Register == b.Register && bytes.Equal(a.Data, b.Data)
	case *expr.Payload:
		b, ok := b.(*expr.Payload)
		return ok && *a == *b
	case *expr.Meta:
		b, ok := b.(*expr.Meta)
		return ok && *a == *b
	case *expr.Lookup:
		b, ok := b.(*expr.Lookup)
		return ok && *a == *b
	case *expr.Verdict:
		b, ok := b.(*expr.Verdict)
		return ok && *a == *b
	}
	return reflect.DeepEqual(a, b)
}
