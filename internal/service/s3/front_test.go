package s3_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/caller"
)

func TestPoliciesAndStrangers(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b, ctx := s.bucket(t, "tea-public"), t.Context()
	s.put(t, b, "page", "hello")
	stranger := func(method, path, body string, header ...string) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
			if header[i] == "Host" {
				r.Host = header[i+1]
			}
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text), res.Header
	}
	if status, text, _ := stranger("GET", "/tea-public/page", ""); status != 403 || !strings.Contains(text, "<Code>AccessDenied</Code>") {
		t.Errorf("a stranger: %d %s", status, text)
	}
	open := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::tea-public/*"}}`
	put := func(policy string) error {
		_, err := s.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: b, Policy: &policy})
		return err
	}
	wantCode(t, "a public policy", put(open), "AccessDenied")
	if _, err := s.DeletePublicAccessBlock(ctx, &awss3.DeletePublicAccessBlockInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	if err := put(open); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"", "tea-public.localhost", "tea-public.s3.example.com:4566"} {
		path := "/page"
		header := []string{"Host", host}
		if host == "" {
			path, header = "/tea-public/page", nil
		}
		if status, text, _ := stranger("GET", path, "", header...); status != 200 || text != "hello" {
			t.Errorf("an open bucket by %q: %d %s", host, status, text)
		}
	}
	if status, text, _ := stranger("GET", "/tea-public/none", ""); status != 403 {
		t.Errorf("what isn't there: %d %s", status, text)
	}
	if status, text, _ := stranger("PUT", "/tea-public/page", "x"); status != 403 {
		t.Errorf("a stranger writes: %d %s", status, text)
	}
	wantCode(t, "another bucket's resource", put(strings.ReplaceAll(open, "tea-public", "tea-others")), "MalformedPolicy")
	wantCode(t, "no JSON", put("x"), "MalformedPolicy")
	deny := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::tea-public/*","arn:aws:s3:::tea-public"]}}`
	if err := put(deny); err != nil {
		t.Fatal(err)
	}
	_, err := s.GetObject(ctx, &awss3.GetObjectInput{Bucket: b, Key: aws.String("page")})
	wantCode(t, "root, denied", err, "AccessDenied")
	out, err := s.DeleteObjects(ctx, &awss3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("page")}}}})
	if err != nil || len(out.Errors) != 1 || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("many, denied: %+v, %v", out, err)
	}
	if _, err := s.DeleteBucketPolicy(ctx, &awss3.DeleteBucketPolicyInput{Bucket: b}); err != nil {
		t.Errorf("root's way back: %v", err)
	}
	_, err = s.PutBucketCors(ctx, &awss3.PutBucketCorsInput{Bucket: b, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
		AllowedOrigins: []string{"https://*.example.com"}, AllowedMethods: []string{"PUT"}, AllowedHeaders: []string{"x-amz-*"}, ExposeHeaders: []string{"ETag"}, MaxAgeSeconds: aws.Int32(60),
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	status, _, h := stranger("OPTIONS", "/tea-public/x", "", "Origin", "https://a.example.com", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "X-Amz-Meta-A")
	if status != 200 || h.Get("Access-Control-Allow-Origin") != "https://a.example.com" || h.Get("Access-Control-Max-Age") != "60" || h.Get("Access-Control-Allow-Headers") != "x-amz-meta-a" {
		t.Errorf("preflight: %d %v", status, h)
	}
	if status, text, _ := stranger("OPTIONS", "/tea-public/x", "", "Origin", "https://a.example.com", "Access-Control-Request-Method", "GET"); status != 403 {
		t.Errorf("another method: %d %s", status, text)
	}
	presign(t, s, b, stranger)
}

func presign(t *testing.T, s served, b *string, stranger func(method, path, body string, header ...string) (int, string, http.Header)) {
	t.Helper()
	p := awss3.NewPresignClient(s.Client)
	get, err := p.PresignGetObject(t.Context(), &awss3.GetObjectInput{Bucket: b, Key: aws.String("page"), ResponseContentType: aws.String("text/x")})
	if err != nil {
		t.Fatal(err)
	}
	if status, text, h := stranger("GET", strings.TrimPrefix(get.URL, s.url), ""); status != 200 || text != "hello" || h.Get("Content-Type") != "text/x" {
		t.Errorf("presigned: %d %s", status, text)
	}
	if status, text, _ := stranger("GET", strings.TrimPrefix(get.URL, s.url)+"0", ""); status != 403 || !strings.Contains(text, "SignatureDoesNotMatch") {
		t.Errorf("changed: %d %s", status, text)
	}
	form, err := p.PresignPostObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: aws.String("posted")}, func(o *awss3.PresignPostOptions) {
		o.Conditions = []any{[]any{"content-length-range", 1, 10}, []any{"starts-with", "$Content-Type", "text/"}}
		o.Expires = time.Minute
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]int{"short": 201, "much too long": 400} {
		var b strings.Builder
		fields := map[string]string{"Content-Type": "text/plain", "success_action_status": "201"}
		maps.Copy(fields, form.Values)
		if file == "short" {
			delete(fields, "success_action_status")
			want = 204
		}
		for k, v := range fields {
			fmt.Fprintf(&b, "--xx\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", k, v)
		}
		fmt.Fprintf(&b, "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n%s\r\n--xx--\r\n", file)
		status, text, _ := stranger("POST", strings.TrimPrefix(form.URL, s.url), b.String(), "Content-Type", "multipart/form-data; boundary=xx")
		if file != "short" {
			want = 403 // success_action_status isn't in the policy
		}
		if status != want {
			t.Errorf("%s: %d %s, want %d", file, status, text, want)
		}
	}
	if got := s.get(t, &awss3.GetObjectInput{Bucket: b, Key: aws.String("posted")}); got != "short" {
		t.Errorf("posted %q", got)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	s := serve(t)
	b := s.bucket(t, "tea-env")
	s.put(t, b, "app.env", "A=1\n")
	if _, _, err := s.api.Read(t.Context(), *b, "app.env"); err == nil {
		t.Error("read with nobody to judge")
	}
	var asked []string
	ctx := caller.WithJudge(t.Context(), func(_ context.Context, action, resource string, _ map[string][]string) error {
		asked = append(asked, action+" "+resource)
		return nil
	})
	r, n, err := s.api.Read(ctx, *b, "app.env")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if string(text) != "A=1\n" || n != 4 || err != nil {
		t.Errorf("%q, %d, %v", text, n, err)
	}
	if diff := cmp.Diff([]string{"s3:GetObject arn:aws:s3:::tea-env/app.env"}, asked); diff != "" {
		t.Error(diff)
	}
}

func TestRefusalsOfTheFrontDoor(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.bucket(t, "tea-door")
	for _, tc := range []struct{ host, target, auth, code string }{
		{"", "/tea-door/k?AWSAccessKeyId=A&Expires=1&Signature=s", "", "InvalidRequest"},
		{"", "/tea-door/k?X-Amz-Credential=A/20260101/us-west-2/s3/aws4_request&X-Amz-Signature=s", "", "AuthorizationQueryParametersError"},
		{"", "/tea-door/k", "AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/s3/aws4_request, SignedHeaders=host", "AuthorizationHeaderMalformed"},
		{"", "/tea-door/k", "AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/s3/aws4_request, SignedHeaders=host, Signature=s", "InvalidAccessKeyId"},
		{"no-such.s3.example.com", "/k", "", "AccessDenied"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+tc.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Host = tc.host; tc.auth != "" {
			r.Header.Set("Authorization", tc.auth)
			r.Header.Set("X-Amz-Date", "20260101T000000Z")
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !strings.Contains(string(text), "<Error><Code>"+tc.code+"</Code>") {
			t.Errorf("%s%s: %d %s, want %s", tc.host, tc.target, res.StatusCode, text, tc.code)
		}
	}
}
