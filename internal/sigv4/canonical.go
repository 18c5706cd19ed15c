package sigv4

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest writes r in the one form that both sides sign.
func (s *Signature) canonicalRequest(r *http.Request, payloadHash string) string {
	q := queryPairs(r.URL.RawQuery)
	if s.presigned {
		q = slices.DeleteFunc(q, func(p pair) bool { return p.key == "X-Amz-Signature" })
	}
	return strings.Join([]string{
		r.Method,
		canonicalPath(rawPath(r.URL), s.Scope.Service),
		q.canonical(),
		canonicalHeaders(r, s.Signed),
		strings.Join(s.Signed, ";"),
		payloadHash,
	}, "\n")
}

// rawPath returns the path as it came, also where it was not well encoded.
func rawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// canonicalPath encodes the path as it came once more, without its empty,
// "." and ".." segments. S3 signs the path as it is.
func canonicalPath(escaped, service string) string {
	if escaped == "" {
		return "/"
	}
	if service == "s3" {
		return escape(unescapePath(escaped), true)
	}
	var out []string
	for seg := range strings.SplitSeq(escaped, "/") {
		switch seg {
		case "", ".":
		case "..":
			out = out[:max(0, len(out)-1)]
		default:
			out = append(out, escape(seg, false))
		}
	}
	if len(out) == 0 {
		return "/"
	}
	path := "/" + strings.Join(out, "/")
	if strings.HasSuffix(escaped, "/") || strings.HasSuffix(escaped, "/.") || strings.HasSuffix(escaped, "/..") {
		path += "/"
	}
	return path
}

func unescapePath(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// canonicalHeaders writes the signed headers, one a line.
func canonicalHeaders(r *http.Request, signed []string) string {
	var b strings.Builder
	for _, name := range signed {
		name = strings.ToLower(name)
		b.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	return b.String()
}

// headerValue returns a header as the client sent it; net/http moves some of
// them out of Header.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		if r.ContentLength >= 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, squeeze(v))
	}
	return strings.Join(values, ",")
}

// squeeze trims s and makes each run of spaces one.
func squeeze(s string) string {
	s = strings.TrimSpace(s)
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}

// pair is one decoded parameter of a query; pairs keep their order.
type pair struct{ key, value string }

type pairs []pair

// queryPairs reads a raw query as SigV4 does: "&" separates, ";" does not,
// and what is not well encoded stands for itself.
func queryPairs(raw string) pairs {
	var out pairs
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		out = append(out, pair{unescapeQuery(k), unescapeQuery(v)})
	}
	return out
}

func queryValue(raw, key string) string {
	v, _ := queryPairs(raw).get(key)
	return v
}

func unescapeQuery(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

func (q pairs) get(key string) (string, bool) {
	for _, p := range q {
		if p.key == key {
			return p.value, true
		}
	}
	return "", false
}

func (q pairs) count(key string) (n int) {
	for _, p := range q {
		if p.key == key {
			n++
		}
	}
	return n
}

// canonical writes q sorted by encoded key, then encoded value.
func (q pairs) canonical() string {
	enc := make([]pair, len(q))
	for i, p := range q {
		enc[i] = pair{escape(p.key, false), escape(p.value, false)}
	}
	slices.SortFunc(enc, func(a, b pair) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value))
	})
	var b strings.Builder
	for i, p := range enc {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.key + "=" + p.value)
	}
	return b.String()
}

// escape percent-encodes all but RFC 3986's unreserved characters, and "/"
// where keepSlash says so.
func escape(s string, keepSlash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', c == '/' && keepSlash:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
