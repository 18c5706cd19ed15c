package place

import (
	"maps"
	"testing"
)

func TestBalance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		zones []Share
		n     int
		want  map[string]int
	}{
		{"even", []Share{{Zone: "a"}, {Zone: "b"}}, 4, map[string]int{"a": 2, "b": 2}},
		{"one more where more are", []Share{{Zone: "a"}, {Zone: "b", Tasks: 3}}, 3, map[string]int{"a": 1, "b": 2}},
		{"and where more are healthy", []Share{{Zone: "a", Tasks: 2, Fit: 1}, {Zone: "b", Tasks: 2, Fit: 2}}, 3, map[string]int{"a": 1, "b": 2}},
		{"some stay", []Share{{Zone: "a", Tasks: 4, Fixed: 3}, {Zone: "b"}, {Zone: "c"}}, 4, map[string]int{"a": 3, "b": 1, "c": 0}},
		{"one is closed", []Share{{Zone: "a", Tasks: 4}, {Zone: "b", Closed: true}, {Zone: "c", Tasks: 1, Closed: true}}, 5, map[string]int{"a": 4, "b": 0, "c": 1}},
		{"all are", []Share{{Zone: "a", Tasks: 1, Closed: true}, {Zone: "b", Closed: true}}, 3, map[string]int{"a": 1, "b": 0}},
	}
	for _, tt := range tests {
		if got := Balance(tt.zones, tt.n); !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
