// Package virtualhost finds the bucket that a request to S3 names by its host.
package virtualhost

import (
	"net"
	"net/http"
	"strings"
)

// service is what S3 is called in host names.
const service = "s3"

// Bucket returns the bucket that a request's host begins with, as in bucket.s3.example.com and bucket.localhost; "" when it
// is none (https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html).
func Bucket(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, mark := range []string{".s3.", ".s3-"} {
		if n := strings.LastIndex(host, mark); n > 0 {
			return host[:n]
		}
	}
	bucket, ok := strings.CutSuffix(host, ".localhost")
	if !ok || bucket == service {
		return ""
	}
	return strings.TrimSuffix(bucket, "."+service)
}

// BucketOf returns the bucket that a request is for, if it is for one.
func BucketOf(r *http.Request) string {
	if b := Bucket(r.Host); b != "" {
		return b
	}
	b, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return b
}

// PathStyle puts the bucket of r's host into its path: all that is behind the front door finds it there.
func PathStyle(r *http.Request) *http.Request {
	b := Bucket(r.Host)
	if b == "" {
		return r
	}
	u := *r.URL
	u.RawPath = "/" + b + u.EscapedPath()
	if r.URL.RawPath != "" {
		u.RawPath = "/" + b + r.URL.RawPath
	}
	u.Path = "/" + b + r.URL.Path
	out := *r
	out.URL, out.Host = &u, "localhost"
	return &out
}
