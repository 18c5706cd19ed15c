package http1

import "bytes"

// Desync is why others may read a request differently, by what AWS's http-desync-guardian
// calls it. The later one of two counts.
type Desync uint8

// The reasons. Those from UndefinedContentLength on are ambiguous, those before are merely
// unusual.
const (
	Compliant Desync = iota
	NonCrLf
	GetHeadZeroContentLength
	UndefinedContentLength
	UndefinedTransferEncoding
	DuplicateContentLength
	SuspiciousHeader
	BothTeClPresent
)

// Ambiguous tells whether the request could be understood in two ways.
func (d Desync) Ambiguous() bool { return d >= UndefinedContentLength }

// Class is the tier, as access logs have it.
func (d Desync) Class() string {
	switch {
	case d.Ambiguous():
		return "Ambiguous"
	case d != Compliant:
		return "Acceptable"
	}
	return "Compliant"
}

var desyncs = [...]string{
	"", "NonCrLfLineTermination", "GetHeadZeroContentLength", "UndefinedContentLengthSemantics",
	"UndefinedTransferEncodingSemantics", "DuplicateContentLength", "SuspiciousHeader", "BothTeClPresent",
}

// String is the reason, as access logs have it.
func (d Desync) String() string { return desyncs[d] }

// Desync finds why others may read the request differently.
func (r *Request) Desync() Desync {
	bodiless := bytes.Equal(r.Method, []byte("GET")) || bytes.Equal(r.Method, []byte("HEAD"))
	coded, length := r.framing.coded, r.framing.length
	switch {
	case coded && length >= 0:
		return BothTeClPresent
	case r.suspicious:
		return SuspiciousHeader
	case r.framing.twice:
		return DuplicateContentLength
	case coded && bodiless:
		return UndefinedTransferEncoding
	case length > 0 && bodiless:
		return UndefinedContentLength
	case length == 0 && bodiless:
		return GetHeadZeroContentLength
	case r.bare:
		return NonCrLf
	}
	return Compliant
}

// suspicious tells whether a name has the letters of a framing header, written in
// another way.
func suspicious(name []byte) bool {
	if len(name) < len("contentlength") {
		return false
	}
	return spells(name, "transferencoding") || spells(name, "contentlength")
}

// spells compares the letters of a name.
func spells(name []byte, letters string) bool {
	at := 0
	for _, c := range name {
		if c |= 0x20; c < 'a' || 'z' < c {
			continue
		}
		if at == len(letters) || c != letters[at] {
			return false
		}
		at++
	}
	return at == len(letters)
}

// severe are the requests that nobody could agree on how to read, by what was wrong with them.
var severe = map[string]string{
	"malformed method": "BadMethod", "malformed request line": "BadUri", "malformed request target": "BadUri",
	"malformed HTTP version": "BadVersion", "HTTP version not supported": "BadVersion",
	"header line without a name": "BadHeader", "header name with an invalid character": "BadHeader", "header value with an invalid character": "BadHeader",
	"invalid Content-Length": "BadContentLength", "Content-Length given twice": "MultipleContentLength",
	"Transfer-Encoding given twice": "MultipleTransferEncodingChunked", "unknown Transfer-Encoding": "BadTransferEncoding",
}

// Severe is why a request can't be read at all, by what http-desync-guardian calls it; "": it isn't
// that it could be read in several ways.
func (e *Error) Severe() string { return severe[e.Reason] }
