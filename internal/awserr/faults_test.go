package awserr

import (
	"errors"
	"slices"
	"testing"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	var f Faults
	f.Add(nil)
	if f.First() != nil || len(f) != 0 {
		t.Errorf("got %v of no fault", f)
	}
	a, b := errors.New("a"), errors.New("b")
	f.Add(nil, a, nil, b)
	if want := (Faults{a, b}); !slices.Equal(f, want) || !errors.Is(f.First(), a) {
		t.Errorf("got %v, want %v", f, want)
	}
}
