package rule

import "bytes"

// Normalize returns a path in the form that is held against patterns: what needs
// no percent sign has none, and there are no segments "." and ".." (RFC 3986,
// 6.2.2). It returns path itself where that has this form already, else it
// appends to out.
func Normalize(out, path []byte) []byte {
	if bytes.IndexByte(path, '%') < 0 && !bytes.Contains(path, []byte("/.")) {
		return path
	}
	begin := len(out)
	out = appendDecoded(out, path)
	return out[begin : begin+removeDots(out[begin:])]
}

func appendDecoded(out, path []byte) []byte {
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' || i+2 >= len(path) {
			out = append(out, c)
			continue
		}
		high, low := unhex(path[i+1]), unhex(path[i+2])
		switch d := byte(high<<4 | low&15); {
		case high < 0 || low < 0:
			out = append(out, c)
			continue
		case unreserved(d):
			out = append(out, d)
		default:
			out = append(out, c, upperHex(path[i+1]), upperHex(path[i+2]))
		}
		i += 2
	}
	return out
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

func upperHex(c byte) byte {
	if c >= 'a' {
		c -= 'a' - 'A'
	}
	return c
}

func unreserved(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-' || c == '.' || c == '_' || c == '~'
}

// removeDots takes the segments "." and ".." out of a path in place (RFC 3986,
// 5.2.4), and returns how long it is then.
func removeDots(p []byte) int {
	w := 0
	for r := 0; r < len(p); {
		end := len(p)
		if i := bytes.IndexByte(p[r+1:], '/'); i >= 0 {
			end = r + 1 + i
		}
		last := end == len(p)
		switch string(p[r:end]) {
		case "/.":
		case "/..":
			w = max(0, bytes.LastIndexByte(p[:w], '/'))
		default:
			last = false
			w += copy(p[w:], p[r:end])
		}
		if last {
			p[w] = '/'
			w++
		}
		r = end
	}
	return w
}
