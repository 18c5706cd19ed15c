// Package form reads the HTML forms that browsers upload objects by, and holds them against their policies.
package form

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/awserr"
)

// Form is an HTML form that uploads an object
// (https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html).
type Form struct {
	Fields   map[string]string // by name in lower case, but for the file
	Bucket   string
	file     *multipart.Part
	filename string
	min, max int64 // bytes that the file may have; max is -1 where nothing bounds it
}

// mostFields is how many bytes the fields of a form may have, but for the file.
const mostFields = 20 << 10

// longestName is how many bytes the name of a field or file may have, and the key of an object.
const longestName = 1024

// perField is what a field counts for beside its name and value.
const perField = 64

// Read reads a form up to its file; r's path is that of a bucket.
func Read(r *http.Request) (*Form, error) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if key != "" {
		return nil, awserr.New("MethodNotAllowed", "The specified method is not allowed against this resource.")
	}
	f := &Form{Fields: map[string]string{}, Bucket: bucket, max: -1}
	if err := f.read(r); err != nil {
		return nil, err
	}
	if f.file == nil {
		return nil, awserr.New("InvalidArgument", "POST requires exactly one file upload per request.")
	}
	if f.Fields["key"] == "" {
		return nil, awserr.New("InvalidArgument", "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	return f, f.fillKey()
}

// fillKey puts the file's name where the key says ${filename}, unless the key gets longer than an object's may be
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html).
func (f *Form) fillKey() error {
	const variable = "${filename}"
	key := f.Fields["key"]
	if n := strings.Count(key, variable); len(key)+n*(len(f.filename)-len(variable)) > longestName {
		return awserr.New("KeyTooLongError", "Your key is too long")
	}
	f.Fields["key"] = strings.ReplaceAll(key, variable, f.filename)
	return nil
}

// Signed says whether the form has a signature, or should have one.
func (f *Form) Signed() bool { return f.Fields["policy"] != "" || f.Fields["x-amz-signature"] != "" }

// Field returns a field, by its name in lower case.
func (f *Form) Field(name string) string { return f.Fields[name] }

// read reads the fields before the file.
func (f *Form) read(r *http.Request) error {
	tooLarge := awserr.New("MaxPostPreDataLengthExceededError", "Your POST request fields preceding the upload file were too large.")
	parts, err := r.MultipartReader()
	for left := int64(mostFields); err == nil; {
		var p *multipart.Part
		if p, err = parts.NextPart(); err != nil {
			break
		}
		name := strings.ToLower(p.FormName())
		if len(name) > longestName || len(p.FileName()) > longestName {
			return tooLarge
		}
		if name == "file" {
			f.file, f.filename = p, p.FileName()
			return nil
		}
		var b []byte
		left -= int64(len(name) + perField)
		if b, err = io.ReadAll(io.LimitReader(p, left+1)); int64(len(b)) > left {
			return tooLarge
		}
		left -= int64(len(b))
		f.Fields[name] = string(b)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return awserr.New("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
}

// Check holds the form against its policy
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html).
func (f *Form) Check(now time.Time) error {
	bad := func(format string, args ...any) error {
		return awserr.New("AccessDenied", "Invalid according to Policy: "+format, args...)
	}
	text, err := base64.StdEncoding.DecodeString(f.Fields["policy"])
	var p struct {
		Expiration string `json:"expiration"`
		Conditions []any  `json:"conditions"`
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || p.Conditions == nil {
		return awserr.New("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.")
	}
	until, err := time.Parse(time.RFC3339, p.Expiration)
	switch {
	case err != nil:
		return awserr.New("InvalidPolicyDocument", "Invalid Policy: Invalid 'expiration' value: '%.100s'", p.Expiration)
	case now.After(until):
		return bad("Policy expired.")
	}
	covered := map[string]bool{"policy": true, "x-amz-signature": true, "file": true}
	for _, one := range p.Conditions {
		name, ok, err := f.holds(one)
		if err != nil {
			return err
		}
		if !ok {
			b, _ := json.Marshal(one)
			return bad("Policy Condition failed: %s", b)
		}
		covered[name] = true
	}
	if !covered["bucket"] {
		return bad("Extra input fields: bucket")
	}
	for name := range f.Fields {
		if !covered[name] && !strings.HasPrefix(name, "x-ignore-") {
			return bad("Extra input fields: %s", name)
		}
	}
	return nil
}

// holds says whether a condition holds, and of which field it is.
func (f *Form) holds(condition any) (name string, ok bool, err error) {
	bad := awserr.New("InvalidPolicyDocument", "Invalid Policy: Invalid condition.")
	switch c := condition.(type) {
	case map[string]any:
		for key, want := range c {
			text, is := want.(string)
			name = strings.ToLower(key)
			if len(c) != 1 || !is {
				return "", false, bad
			}
			return name, f.value(name) == text, nil
		}
	case []any:
		if len(c) != 3 {
			return "", false, bad
		}
		kind, _ := c[0].(string)
		if strings.EqualFold(kind, "content-length-range") {
			low, is := c[1].(float64)
			high, too := c[2].(float64)
			f.min, f.max = int64(low), int64(high)
			return "", is && too, nil
		}
		field, is := c[1].(string)
		want, too := c[2].(string)
		if !is || !too || !strings.HasPrefix(field, "$") {
			return "", false, bad
		}
		name = strings.ToLower(field[1:])
		switch strings.ToLower(kind) {
		case "eq":
			return name, f.value(name) == want, nil
		case "starts-with":
			return name, strings.HasPrefix(f.value(name), want), nil
		}
	}
	return "", false, bad
}

func (f *Form) value(name string) string {
	if name == "bucket" {
		return f.Bucket
	}
	return f.Fields[name]
}

// headed are the fields that are headers of PutObject, beside those that begin as AWS's own.
var headed = []string{"cache-control", "content-type", "content-disposition", "content-encoding", "expires"}

// Put is the request that the form stands for.
func (f *Form) Put(r *http.Request) *http.Request {
	out := r.Clone(r.Context())
	out.Method, out.Header = http.MethodPut, http.Header{}
	out.URL = &url.URL{Path: "/" + f.Bucket + "/" + f.Fields["key"]}
	out.URL.RawPath = "/" + f.Bucket + "/" + strings.ReplaceAll(url.PathEscape(f.Fields["key"]), "%2F", "/")
	for name, value := range f.Fields {
		_, own := strings.CutPrefix(name, "x-amz-")
		signature := slices.Contains([]string{"x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "x-amz-security-token"}, name)
		switch {
		case name == "acl":
			out.Header.Set("X-Amz-Acl", value)
		case name == "tagging":
			out.Header.Set("X-Amz-Tagging", tagQuery(value))
		case own && !signature || slices.Contains(headed, name):
			out.Header.Set(name, value)
		}
	}
	out.ContentLength, out.Body = -1, io.NopCloser(&sized{r: f.file, f: f})
	return out
}

// tagQuery is tags in XML, as a form has them, as a header has them. What can't be read is refused there.
func tagQuery(text string) string {
	var t struct {
		Tags []struct{ Key, Value string } `xml:"TagSet>Tag"`
	}
	if xml.Unmarshal([]byte(text), &t) != nil {
		return "%"
	}
	q := url.Values{}
	for _, one := range t.Tags {
		q.Add(one.Key, one.Value)
	}
	return q.Encode()
}

// sized is the file of a form, which must have as many bytes as the policy lets it have.
type sized struct {
	r io.Reader
	f *Form
	n int64
}

func (s *sized) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	switch end := errors.Is(err, io.EOF); {
	case s.f.max >= 0 && s.n > s.f.max:
		return n, awserr.New("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	case end && s.n < s.f.min:
		return n, awserr.New("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
	case err != nil && !end:
		return n, awserr.New("IncompleteBody", "The request body terminated unexpectedly")
	}
	return n, err
}
