package awsjson

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire/bind"
)

// plain is v as encoding/json decodes it with UseNumber.
func plain(v bind.Value) any {
	switch v.Kind {
	case bind.True, bind.False:
		return v.Kind == bind.True
	case bind.Number:
		return json.Number(v.Text)
	case bind.Text:
		return v.Text
	case bind.Array:
		list := []any{}
		for _, item := range v.Items {
			list = append(list, plain(item))
		}
		return list
	case bind.Object:
		m := map[string]any{}
		for i, item := range v.Items {
			m[v.Names[i]] = plain(item)
		}
		return m
	default:
		return nil
	}
}

// FuzzParse holds our parser to encoding/json.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":[1,-2.5e+3,"x",true,false,null,{"b":{}}]}`, " { \"a\" :\t[ ] , \"b\" : \"\\u00e9\\\"\\\\\" }\n",
		`{"a":"é\ud83d\ude00\ud83d"}`, "{\"a\":\"\xff\"}", `{"a":1,"a":{"b":2}}`, `[1]`, `{`, `{"a":01}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		ok := json.Valid(body) && d.Decode(&want) == nil && want != nil
		got, err := Parse(body)
		if len(body) == 0 {
			return
		}
		if (err == nil) != ok {
			t.Fatalf("%q: error %v, encoding/json says %v", body, err, ok)
		}
		if ok && !cmp.Equal(want, plain(got)) {
			t.Errorf("%q (-want +got):\n%s", body, cmp.Diff(want, plain(got)))
		}
	})
}

// FuzzAppendText holds that every string comes back, less what is not UTF-8.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "a", "\"\\\n\r\t\x00\x1f\x7f", "é\U0001F600\u2028", "\xff\xc3", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want, got string
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(AppendText(nil, s), &got); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", s, got, err, want)
		}
	})
}

func TestAppendTime(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]time.Time{
		"1":          time.UnixMilli(1000),
		"1.005":      time.UnixMilli(1005),
		"1.500":      time.UnixMilli(1500),
		"0":          time.UnixMilli(0),
		"-1.5":       time.UnixMilli(-1500),
		"1772600767": time.Unix(1772600767, 999),
	} {
		got := string(appendTime(nil, at))
		if got != want {
			t.Errorf("%v: got %s, want %s", at, got, want)
		}
	}
}
