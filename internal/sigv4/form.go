package sigv4

import (
	"crypto/subtle"
	"encoding/hex"
	"time"
)

// ParseForm reads the signature that an HTML form carries, without verifying it. Field returns a form's field, by its name in
// lower case (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html). The error is an *Error.
func ParseForm(field func(name string) string) (*Signature, error) {
	for _, name := range []string{"x-amz-credential", "x-amz-date", "x-amz-signature"} {
		if field(name) == "" {
			return nil, incomplete("Bucket POST must contain a field named '%s'. If it is specified, please check the order of the fields.", name)
		}
	}
	if a := field("x-amz-algorithm"); a != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%.100s', only %s is supported.", a, algorithm)
	}
	s := &Signature{SessionToken: field("x-amz-security-token"), mac: field("x-amz-signature"), presigned: true, Expires: maxExpires}
	return s, s.fill(field("x-amz-credential"), field("x-amz-date"), "host")
}

// VerifyForm holds s against the policy of a form, which says itself until when it is good. The error is an *Error.
func (s *Signature) VerifyForm(policy string, w Want) error {
	if err := s.checkScope(w); err != nil {
		return err
	}
	if newest := w.Now.UTC().Add(skew); s.Time.After(newest) {
		return &Error{NotYet, "Signature not yet current: " + s.Time.Format(time.RFC3339)}
	}
	want := hex.EncodeToString(mac(s.signingKey(w.Secret), policy))
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.mac)) != 1 {
		return mismatch("The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	return nil
}
