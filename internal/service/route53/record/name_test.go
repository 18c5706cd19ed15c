package record_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/service/route53/record"
)

func TestName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want, fault string }{
		{"www.Example.COM", "www.example.com.", ""},
		{"example.com.", "example.com.", ""},
		{"*.example.com", `\052.example.com.`, ""},
		{`\052.example.com`, `\052.example.com.`, ""},
		{`\101_b-c.example.com`, "a_b-c.example.com.", ""},
		{"a@b!.example.com", `a\100b\041.example.com.`, ""},
		{`a\056b.example.com`, `a\056b.example.com.`, ""},
		{"local", "local.", ""},
		{"", "", "DomainLabelEmpty"},
		{".", "", "DomainLabelEmpty"},
		{"a..b", "", "DomainLabelEmpty"},
		{".a", "", "DomainLabelEmpty"},
		{`a\9.b`, "", "UnsupportedEscape"},
		{`a\400.b`, "", "UnsupportedEscape"},
		{"a b.c", "", "UnsupportedCharacter"},
		{"ä.c", "", "UnsupportedCharacter"},
		{strings.Repeat("a", 63) + ".b", strings.Repeat("a", 63) + ".b.", ""},
		{strings.Repeat("a", 64) + ".b", "", "DomainLabelTooLong"},
		{strings.Repeat("a.", 127), strings.Repeat("a.", 127), ""},
		{strings.Repeat("a.", 128), "", "DomainNameTooLong"},
	} {
		got, err := record.Name(tt.in)
		if got != tt.want || (err == nil) != (tt.fault == "") || err != nil && !strings.HasPrefix(err.Error(), tt.fault) {
			t.Errorf("%q: got %q, %v, want %q, %s", tt.in, got, err, tt.want, tt.fault)
		}
	}
}

// TestOrder: sets of a zone are listed by their names with labels turned round, dots included, then by types, then by identifiers.
func TestOrder(t *testing.T) {
	t.Parallel()
	want := []record.Set{
		{Name: "example.com.", Type: "A"},
		{Name: "example.com.", Type: "NS"},
		{Name: "example.com.", Type: "SOA"},
		{Name: "a-b.example.com.", Type: "A"},
		{Name: "a.example.com.", Type: "A"},
		{Name: "a.example.com.", Type: "A", ID: "1"},
		{Name: "a.example.com.", Type: "AAAA"},
		{Name: "a.a.example.com.", Type: "A"},
		{Name: "b.example.com.", Type: "A"},
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b record.Set) int { return strings.Compare(a.Key(), b.Key()) })
	for i := range want {
		if got[i].Key() != want[i].Key() {
			t.Errorf("%d: got %s, want %s", i, got[i].Key(), want[i].Key())
		}
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`\052.a.`: `\042.a.`, `"a\"b\\c"`: `"a\"b\\c"`, `"\303\244"`: `"\195\164"`, `"\400"`: `"\400"`, `a\`: `a\`, "plain": "plain",
	} {
		if got := record.Decimal(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
