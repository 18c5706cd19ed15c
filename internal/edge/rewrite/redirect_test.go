package rewrite_test

import (
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/edge/rewrite"
	"github.com/skylift/skylift/internal/edge/table"
)

func TestLocation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		said        table.Redirect
		path, query string
		want        string
	}{
		{table.Redirect{Protocol: "HTTPS", Port: "443"}, "/x", "y=1", "https://a.example.com:443/x?y=1"},
		{table.Redirect{Protocol: "#{protocol}", Host: "www.#{host}", Port: "#{port}", Path: "/#{path}", Query: "#{query}"}, "/x", "", "http://www.a.example.com:8080/x"},
		{table.Redirect{Path: "/new/#{path}/#{host}/#{port}", Query: "from=#{protocol}&#{query}"}, "/", "", "http://a.example.com:8080/new//a.example.com/8080?from=http&"},
		{table.Redirect{Host: "b.example.com", Query: "#{query}&v=2"}, "/x/y", "v=1", "http://b.example.com:8080/x/y?v=1&v=2"},
		{table.Redirect{Path: "/#{other}/#{path"}, "/x", "", "http://a.example.com:8080/#{other}/#{path"},
	} {
		o := &rewrite.Origin{Protocol: "http", Host: []byte("a.example.com"), Port: "8080", Path: []byte(tt.path), Query: []byte(tt.query)}
		got, ok := rewrite.NewRedirect(&tt.said).Location([]byte("x"), o)
		if string(got) != "x"+tt.want || !ok {
			t.Errorf("%+v to %s?%s: Location = %q, %v, want %q", tt.said, tt.path, tt.query, got, ok, tt.want)
		}
	}
	long := &rewrite.Origin{Protocol: "http", Path: []byte(strings.Repeat("/x", 8<<10))}
	if got, ok := rewrite.NewRedirect(&table.Redirect{}).Location(nil, long); ok {
		t.Errorf("a location of %d bytes is good", len(got))
	}
}

func TestTransform(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		regex, replace string
		host           bool
		text, want     string
	}{
		{`^mywebsite-(.+)\.com$`, "internal.$1.local", true, "mywebsite-shop.com:8080", "internal.shop.local:8080"},
		{`^mywebsite`, "x", true, "other.com", "other.com"},
		{`.*`, "", true, "a.com", "TransformInvalidHost"},
		{`.*`, "a b", true, "a.com", "TransformInvalidHost"},
		{`.*`, strings.Repeat("a", 300), true, "a.com", "TransformBufferTooSmall"},
		{`^/api/(.*)$`, "/$1", false, "/api/x?y=1", "/x?y=1"},
		{`^(/[^/]*)/([^?]*)\??(.*)`, "$1?p=$2&$3$", false, "/a/b?c", "/a?p=b&c$"},
		{`(x)|(y)`, "[$1$2]", false, "/yx", "/[y]x"},
		{`^/`, "", false, "/x", "TransformInvalidPath"},
		{`$`, " ", false, "/x", "TransformInvalidPath"},
	} {
		tr, err := rewrite.NewTransform(&table.Rewrite{Regex: tt.regex, Replace: tt.replace})
		if err != nil {
			t.Errorf("NewTransform(%q, %q): %v", tt.regex, tt.replace, err)
			continue
		}
		apply := tr.URL
		if tt.host {
			apply = tr.Host
		}
		out, err := apply([]byte(tt.text))
		got := string(out)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q by %q, %q: got %q, want %q", tt.text, tt.regex, tt.replace, got, tt.want)
		}
	}
	for _, bad := range []table.Rewrite{{Regex: "("}, {Regex: "a", Replace: "$1"}} {
		if _, err := rewrite.NewTransform(&bad); err == nil {
			t.Errorf("NewTransform(%+v) succeeded", bad)
		}
	}
}
