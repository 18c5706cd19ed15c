package store

import "testing"

func TestValue(t *testing.T) {
	t.Parallel()
	type row struct{ N int }
	for name, v := range map[string]*Value{"new": NewValue([]byte(`{"N":1}`)), "written": WrittenValue([]byte(`{"N":1}`))} {
		for range 2 { // before the record is read, and after
			if !v.Equal([]byte(`{"N":1}`)) || v.Equal([]byte(`{"N":2}`)) || v.Equal(nil) {
				t.Errorf("%s: isn't equal to itself, or is to others", name)
			}
			if r, err := read[row](v); err != nil || r.N != 1 {
				t.Errorf("%s: read %+v, %v", name, r, err)
			}
		}
		if c := v.content.Load(); v.written != (c.bytes == nil) {
			t.Errorf("%s: keeps %d bytes beside the record", name, len(c.bytes))
		}
		if v.written {
			continue
		}
		if v.String() != `{"N":1}` {
			t.Errorf("%s: %q", name, v)
		}
	}
	for _, v := range []*Value{NewValue(nil), WrittenValue([]byte{})} {
		if !v.Equal(nil) || !v.Equal([]byte{}) || v.Equal([]byte("x")) || v.String() != "" {
			t.Errorf("an empty value is %q", v)
		}
	}
	if _, err := read[row](WrittenValue([]byte("{"))); err == nil {
		t.Error("read what is no record")
	}
}
