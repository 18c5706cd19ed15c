package id

import "testing"

func TestAccessKey(t *testing.T) {
	t.Parallel()
	for _, account := range []string{"123456789012", "000000000000", "999999999999"} {
		key := AccessKey("ASIA", account)
		if got, ok := AccountOf(key); len(key) != 20 || !ok || got != account {
			t.Errorf("%s tells the account %s, %v; want %s", key, got, ok, account)
		}
	}
	for _, key := range []string{"", "AKI", "AKIAEXAMPLE", "AKIA1111111111111111", "AKIAAAAAAAAAAAAAAAAA"} {
		if got, ok := AccountOf(key); ok {
			t.Errorf("%s tells the account %s", key, got)
		}
	}
	if a, b := SecretKey(), SecretKey(); len(a) != 40 || a == b {
		t.Errorf("got secrets of %d characters, or the same twice", len(a))
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	seen := map[rune]bool{}
	for _, c := range Text(200, "abc") {
		seen[c] = true
	}
	if len(seen) != 3 || !seen['a'] || !seen['b'] || !seen['c'] {
		t.Errorf("200 letters of abc are %v", seen)
	}
}
