// Package sigv4 verifies AWS Signature Version 4 on requests, in the
// Authorization header or in the query of a presigned URL.
//
// A request that Verify accepts was signed with the secret given, for the
// region and service given, at a time that is still good, and neither its
// method, path, query, signed headers nor body changed since. Nothing here
// reads a clock, keeps state or knows who a key belongs to.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"

	// UnsignedPayload stands for the body's hash where the body is not signed.
	UnsignedPayload = "UNSIGNED-PAYLOAD"

	skew       = 15 * time.Minute
	maxExpires = 7 * 24 * time.Hour
)

// Scope is what a signing key is good for.
type Scope struct{ Date, Region, Service string }

func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// Signature is the claim that a request carries, not yet verified.
type Signature struct {
	AccessKeyID  string
	Scope        Scope
	SessionToken string // of temporary credentials; "" for long-term ones
	Time         time.Time
	Expires      time.Duration // of a presigned URL; 0 for a signed header
	Signed       []string      // names of the signed headers, as the client listed them

	presigned bool
	mac       string
}

// Want is what a signature must be good for.
type Want struct {
	Secret  string    // the secret access key of Signature.AccessKeyID
	Regions []string  // the regions accepted; the first is this instance's
	Service string    // the signing name of the service
	Now     time.Time // the time to hold it against
	// AllowUnsignedPayload accepts UNSIGNED-PAYLOAD, as S3 does.
	AllowUnsignedPayload bool
}

// Verify holds s against r and its body. The error is an *Error.
func (s *Signature) Verify(r *http.Request, body []byte, w Want) error {
	if err := s.checkHead(r, w); err != nil {
		return err
	}
	hash, err := s.payloadHash(r, body, w.AllowUnsignedPayload)
	if err != nil {
		return err
	}
	return s.checkMAC(r, hash, w.Secret)
}

// verify is Verify for a body that hash stands for.
func (s *Signature) verify(r *http.Request, hash string, w Want) error {
	if err := s.checkHead(r, w); err != nil {
		return err
	}
	return s.checkMAC(r, hash, w.Secret)
}

// checkHead refuses what is wrong whatever the signature is.
func (s *Signature) checkHead(r *http.Request, w Want) error {
	if err := s.checkScope(w); err != nil {
		return err
	}
	if err := s.checkTime(w.Now); err != nil {
		return err
	}
	return s.checkSigned(r)
}

func (s *Signature) checkMAC(r *http.Request, hash, secret string) error {
	canonical := s.canonicalRequest(r, hash)
	toSign := s.stringToSign(canonical)
	want := hex.EncodeToString(mac(s.signingKey(secret), toSign))
	if subtle.ConstantTimeCompare([]byte(want), []byte(s.mac)) == 1 {
		return nil
	}
	return mismatch("The request signature we calculated does not match the signature you provided. "+
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n"+
		"The Canonical String for this request should have been\n'%s'\n\n"+
		"The String-to-Sign should have been\n'%s'\n", canonical, toSign)
}

// checkScope compares the scope with what the service accepts.
func (s *Signature) checkScope(w Want) error {
	if !slices.Contains(w.Regions, s.Scope.Region) {
		return &Error{Region, fmt.Sprintf("Credential should be scoped to a valid region, not '%s'. This instance's region is '%s'.", s.Scope.Region, w.Regions[0])}
	}
	if s.Scope.Service != w.Service {
		return mismatch("Credential should be scoped to correct service: '%s'. ", w.Service)
	}
	if day := s.Time.Format("20060102"); s.Scope.Date != day {
		return mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			s.Scope.Date, day, s.Time.Format(timeFormat))
	}
	return nil
}

// checkTime refuses what is too old or from the future.
func (s *Signature) checkTime(now time.Time) error {
	now = now.UTC().Truncate(time.Second)
	good := skew
	if s.presigned {
		good = s.Expires
	}
	early, late := Expired, Expired
	if s.presigned {
		early, late = NotYet, Outdated
	}
	at, clock := s.Time.Format(timeFormat), now.Format(timeFormat)
	if oldest := now.Add(-good); s.Time.Before(oldest) {
		return &Error{late, fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %s.)", at, oldest.Format(timeFormat), clock, span(good))}
	}
	if newest := now.Add(skew); s.Time.After(newest) {
		return &Error{early, fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %s.)", at, newest.Format(timeFormat), clock, span(skew))}
	}
	return nil
}

func span(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// checkSigned refuses requests whose host or operation could have been
// changed under the signature.
func (s *Signature) checkSigned(r *http.Request) error {
	if !s.signs("host") {
		return mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if r.Header.Get("X-Amz-Target") != "" && !s.signs("x-amz-target") {
		return mismatch("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if s.Scope.Service != "s3" {
		return nil
	}
	// S3's headers change what a request does (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html).
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && !s.signs(name) {
			return &Error{Unsigned, "There were headers present in the request which were not signed: " + strings.ToLower(name)}
		}
	}
	return nil
}

func (s *Signature) signs(name string) bool {
	return slices.ContainsFunc(s.Signed, func(h string) bool { return strings.EqualFold(h, name) })
}

// payloadHash returns what stands for the body in the canonical request,
// having held a declared hash against the body.
func (s *Signature) payloadHash(r *http.Request, body []byte, allowUnsigned bool) (string, error) {
	sum := sha256.Sum256(body)
	actual := hex.EncodeToString(sum[:])
	declared := s.declared(r)
	switch {
	case declared == UnsignedPayload && allowUnsigned:
		return UnsignedPayload, nil
	case declared == UnsignedPayload:
		return "", s.mustSign()
	case declared == "" && s.presigned && allowUnsigned:
		return UnsignedPayload, nil
	case declared == "" || subtle.ConstantTimeCompare([]byte(declared), []byte(actual)) == 1:
		return actual, nil
	}
	return "", mismatch("The provided x-amz-content-sha256 header does not match what was computed: '%s' != '%s'.", declared, actual)
}

func (s *Signature) mustSign() error {
	return mismatch("The payload of this request must be signed: x-amz-content-sha256 must not be %s for service '%s'.", UnsignedPayload, s.Scope.Service)
}

// declared returns what the client says stands for the body; "" where it says nothing.
func (s *Signature) declared(r *http.Request) string {
	declared := r.Header.Get("X-Amz-Content-Sha256")
	if s.presigned && declared == "" {
		declared = queryValue(r.URL.RawQuery, "X-Amz-Content-Sha256")
	}
	return declared
}

func (s *Signature) stringToSign(canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return strings.Join([]string{algorithm, s.Time.Format(timeFormat), s.Scope.String(), hex.EncodeToString(sum[:])}, "\n")
}

func (s *Signature) signingKey(secret string) []byte {
	k := mac([]byte("AWS4"+secret), s.Scope.Date)
	k = mac(k, s.Scope.Region)
	k = mac(k, s.Scope.Service)
	return mac(k, terminator)
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func broken(format string, args ...any) error {
	return &Error{Broken, fmt.Sprintf(format, args...)}
}

func mismatch(format string, args ...any) error {
	return &Error{Mismatch, fmt.Sprintf(format, args...)}
}
