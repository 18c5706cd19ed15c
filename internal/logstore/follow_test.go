package logstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFollow: who follows groups is told of what is stored in them, in order, and of nothing after the end.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := openTest(t)
	var got []string
	stop := s.Follow([]string{"a", "b"}, func(st Stream, events []Event) {
		for _, e := range events {
			if e.Ingested.IsZero() || e.Time.UnixMilli() != 7 {
				t.Errorf("event %+v", e)
			}
			got = append(got, st.Group+"/"+st.Name+" "+e.Text)
		}
	})
	put := func(group string, texts ...string) {
		t.Helper()
		events := make([]Event, len(texts))
		for i, text := range texts {
			events[i] = Event{Time: time.UnixMilli(7), Text: text}
		}
		if err := s.Append(t.Context(), Stream{group, "s"}, events, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("a", "1", "2")
	put("c", "3")
	put("b", "4")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Append(gone, Stream{"a", ""}, nil, nil); err == nil {
		t.Error("a stream without name is taken")
	}
	stop()
	stop()
	put("a", "5")
	if want := []string{"a/s 1", "a/s 2", "b/s 4"}; !cmp.Equal(got, want) {
		t.Errorf("told of %v, want %v", got, fmt.Sprint(want))
	}
}
