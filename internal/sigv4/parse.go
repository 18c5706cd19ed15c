package sigv4

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Parse reads the signature that r carries, without verifying it. The error
// is an *Error, of kind Missing when there is no signature at all.
func Parse(r *http.Request) (*Signature, error) {
	for _, name := range []string{"Authorization", "X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
		if len(r.Header.Values(name)) > 1 {
			return nil, incomplete("The '%s' header must be given once.", name)
		}
	}
	if h := r.Header.Get("Authorization"); h != "" {
		return parseHeader(r, h)
	}
	q := queryPairs(r.URL.RawQuery)
	if _, ok := q.get("X-Amz-Algorithm"); ok {
		return parsePresigned(q)
	}
	if _, ok := q.get("X-Amz-Signature"); ok {
		return parsePresigned(q)
	}
	return nil, &Error{Missing, "Request is missing Authentication Token"}
}

// maxHeader is more bytes than any Authorization header of a signature has:
// what it lists are names of headers.
const maxHeader = 8 << 10

func parseHeader(r *http.Request, h string) (*Signature, error) {
	if len(h) > maxHeader {
		return nil, incomplete("Authorization header must have at most %d bytes, not %d.", maxHeader, len(h))
	}
	scheme, rest, _ := strings.Cut(h, " ")
	if strings.HasPrefix(scheme, "AWS4-") && scheme != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s', only %s is supported.", scheme, algorithm)
	}
	params := map[string]string{}
	if scheme == algorithm {
		var err error
		if params, err = headerParams(rest); err != nil {
			return nil, err
		}
	}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	var lacks []string
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if params[name] == "" {
			lacks = append(lacks, "Authorization header requires '"+name+"' parameter.")
		}
	}
	if date == "" {
		lacks = append(lacks, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if len(lacks) > 0 {
		// AWS adds the header here; it is a signature, so we don't.
		return nil, incomplete("%s", strings.Join(lacks, " "))
	}
	s := &Signature{SessionToken: r.Header.Get("X-Amz-Security-Token"), mac: params["Signature"]}
	return s, s.fill(params["Credential"], date, params["SignedHeaders"])
}

// headerParams reads "Credential=…, SignedHeaders=…, Signature=…": each of them
// at most once, and nothing else.
func headerParams(s string) (map[string]string, error) {
	params := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		k, v, ok := strings.Cut(part, "=")
		_, twice := params[k]
		switch {
		case part == "":
			continue
		case !ok:
			return nil, incomplete("'%.100s' not a valid key=value pair (missing equal-sign) in Authorization header.", part)
		case k != "Credential" && k != "SignedHeaders" && k != "Signature":
			return nil, incomplete("Authorization header has no '%.100s' parameter.", k)
		case twice:
			return nil, incomplete("Authorization header must have its '%s' parameter once.", k)
		}
		params[k] = v
	}
	return params, nil
}

func parsePresigned(q pairs) (*Signature, error) {
	value := map[string]string{}
	var lacks []string
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.count(name) > 1 {
			return nil, incomplete("AWS query-string parameter '%s' must be given once.", name)
		}
		if value[name], _ = q.get(name); value[name] == "" {
			lacks = append(lacks, "'"+name+"'")
		}
	}
	if len(lacks) > 0 {
		return nil, incomplete("AWS query-string parameters must include %s. Re-examine the query-string parameters.", strings.Join(lacks, ", "))
	}
	if a := value["X-Amz-Algorithm"]; a != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s', only %s is supported.", a, algorithm)
	}
	expires, err := parseExpires(q)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"X-Amz-Security-Token", "X-Amz-Content-Sha256"} {
		if q.count(name) > 1 {
			return nil, incomplete("AWS query-string parameter '%s' must be given once.", name)
		}
	}
	token, _ := q.get("X-Amz-Security-Token")
	s := &Signature{
		SessionToken: token, mac: value["X-Amz-Signature"],
		presigned: true, Expires: expires,
	}
	return s, s.fill(value["X-Amz-Credential"], value["X-Amz-Date"], value["X-Amz-SignedHeaders"])
}

// parseExpires reads how long a presigned URL is good for: as long as any
// signature where it doesn't say.
func parseExpires(q pairs) (time.Duration, error) {
	value, ok := q.get("X-Amz-Expires")
	if !ok {
		return skew, nil
	}
	seconds, err := strconv.Atoi(value)
	if err != nil || q.count("X-Amz-Expires") > 1 || seconds < 1 || seconds > int(maxExpires/time.Second) {
		return 0, incomplete("X-Amz-Expires must be one number of seconds between 1 and %d.", int(maxExpires/time.Second))
	}
	return time.Duration(seconds) * time.Second, nil
}

// fill reads what both forms of signature carry.
func (s *Signature) fill(credential, date, signed string) error {
	f := strings.Split(credential, "/")
	if len(f) != 5 {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%.200s'", credential)
	}
	if f[4] != terminator {
		return mismatch("Credential should be scoped with a valid terminator: '%s', not '%.100s'.", terminator, f[4])
	}
	s.AccessKeyID, s.Scope = f[0], Scope{f[1], f[2], f[3]}
	t, err := parseTime(date)
	if err != nil {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '%.100s'. See http://en.wikipedia.org/wiki/ISO_8601", date)
	}
	s.Time, s.Signed = t, strings.Split(signed, ";")
	return checkNames(s.Signed)
}

// checkNames refuses a list of signed headers with one twice, or without a name.
func checkNames(signed []string) error {
	seen := make(map[string]bool, len(signed))
	for _, name := range signed {
		name = strings.ToLower(name)
		if name == "" || seen[name] {
			return incomplete("'SignedHeaders' must name each header once, not '%.100s'.", name)
		}
		seen[name] = true
	}
	return nil
}

// parseTime reads X-Amz-Date, or a Date header in any form that HTTP has.
func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse(timeFormat, s); err == nil {
		return t, nil
	}
	t, err := http.ParseTime(s)
	return t.UTC(), err
}

func incomplete(format string, args ...any) error {
	return &Error{Incomplete, fmt.Sprintf(format, args...)}
}
