package zone

import "strings"

// A key is a name whose labels are turned round and in lower case, so that a name stands before those below it, and with them.
const (
	between = 0 // two labels
	escape  = 1 // goes before a byte of a label that is one of these two, plus one
)

// maxLabels is how many labels a name can have.
const maxLabels = 128

// Key returns the key of a name in presentation format, which ends with a dot; ok is false for what is no name.
func Key(name string) (key string, ok bool) {
	if name == "." {
		return "", true
	}
	var ends [maxLabels]int
	n := 0
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++
		case '.':
			if n == maxLabels {
				return "", false
			}
			ends[n] = i
			n++
		}
	}
	if n == 0 || ends[n-1] != len(name)-1 {
		return "", false
	}
	out := make([]byte, 0, len(name))
	for n--; n >= 0; n-- {
		begin := 0
		if n > 0 {
			begin = ends[n-1] + 1
		}
		if out, ok = appendLabel(out, name[begin:ends[n]]); !ok {
			return "", false
		}
		if n > 0 {
			out = append(out, between)
		}
	}
	return string(out), true
}

// appendLabel appends a label without its escapes, which are decimal.
func appendLabel(out []byte, label string) ([]byte, bool) {
	if label == "" {
		return out, false
	}
	for i := 0; i < len(label); i++ {
		c := label[i]
		if c == '\\' {
			switch {
			case i+3 < len(label) && isDigit(label[i+1]) && isDigit(label[i+2]) && isDigit(label[i+3]):
				c = (label[i+1]-'0')*100 + (label[i+2]-'0')*10 + label[i+3] - '0'
				i += 3
			case i+1 < len(label):
				i++
				c = label[i]
			default:
				return out, false
			}
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c <= escape {
			out = append(out, escape)
			c++
		}
		out = append(out, c)
	}
	return out, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// above returns the key of the name one label above; ok is false above the root.
func above(key string) (string, bool) {
	if key == "" {
		return "", false
	}
	return key[:max(0, strings.LastIndexByte(key, between))], true
}

// below says whether a name is another, or stands below it.
func below(key, top string) bool {
	return top == "" || strings.HasPrefix(key, top) && (len(key) == len(top) || key[len(top)] == between)
}

// asterisk is the key of the wildcard below a name.
func asterisk(key string) string {
	if key == "" {
		return "*"
	}
	return key + string(rune(between)) + "*"
}
