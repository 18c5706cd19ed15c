package e2e

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestS3 moves files into buckets and out of them with the real CLI, through kill -9, and looks for their text in the data
// directory.
func TestS3(t *testing.T) {
	t.Parallel()
	need(t)
	s := start(t)
	const canary = "canary-in-the-bucket-41"
	work := t.TempDir()
	file := func(name string, content []byte) string {
		t.Helper()
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-time.Minute) // sync takes a file of the object's own second for newer
		if err := os.Chtimes(path, before, before); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	text := func(args ...string) string { return s.aws(t, append(args, "--output", "text")...) }

	s.aws(t, "s3", "mb", "s3://site")
	file("web/index.html", []byte("<p>"+canary))
	file("web/a/b.txt", []byte("b"))
	file("web/a/c d+é.txt", []byte("c"))
	s.aws(t, "s3", "sync", filepath.Join(work, "web"), "s3://site/web")
	want("the keys", text("s3api", "list-objects-v2", "--bucket", "site", "--query", "Contents[].Key"), "web/a/b.txt\tweb/a/c d+é.txt\tweb/index.html")
	want("the type", text("s3api", "head-object", "--bucket", "site", "--key", "web/index.html", "--query", "[ContentType,ServerSideEncryption]"), "text/html\tAES256")
	want("a second sync", s.aws(t, "s3", "sync", filepath.Join(work, "web"), "s3://site/web"), "")
	s.aws(t, "s3", "cp", "s3://site/web/a/", "s3://site/copy/", "--recursive")
	back := filepath.Join(work, "back")
	s.aws(t, "s3", "sync", "s3://site/copy", back)
	if b, err := os.ReadFile(filepath.Join(back, "c d+é.txt")); string(b) != "c" || err != nil {
		t.Errorf("copied %q, %v", b, err)
	}
	want("prefixes", strings.Join(strings.Fields(s.aws(t, "s3", "ls", "s3://site")), " "), "PRE copy/ PRE web/")

	s.versionsAndPolicies(t, want, text)

	big := make([]byte, 200<<20)
	for i := range big {
		big[i] = byte(i>>3 ^ i>>11 ^ i>>19)
	}
	path := file("big", big)
	s.aws(t, "s3", "cp", path, "s3://site/big")
	want("its size", text("s3api", "head-object", "--bucket", "site", "--key", "big", "--query", "ContentLength"), fmt.Sprint(len(big)))
	s.killInUpload(t, path, len(big))
	s.term(t)
	s.run(t, "rekey", "--data-dir", s.dir)
	s.serve(t)
	s.aws(t, "s3", "cp", "s3://site/big", filepath.Join(work, "big-back"))
	if sum := sumOf(t, filepath.Join(work, "big-back")); sum != md5.Sum(big) {
		t.Error("the big file is another one")
	}
	_, message := s.awsErr(t, "s3api", "head-object", "--bucket", "site", "--key", "half")
	if !strings.Contains(message, "Not Found") {
		t.Errorf("half an object: %s", message)
	}
	clearText(t, s.dir, canary)

	s.aws(t, "s3", "rm", "s3://site", "--recursive")
	for _, kind := range []string{"Versions", "DeleteMarkers"} { // of the time in which there were versions
		list := s.aws(t, "s3api", "list-object-versions", "--bucket", "site", "--query", "{Objects: "+kind+"[].{Key: Key, VersionId: VersionId}}", "--output", "json")
		if !strings.Contains(list, "null\n}") {
			s.aws(t, "s3api", "delete-objects", "--bucket", "site", "--delete", list)
		}
	}
	want("uploads that were cut off", text("s3api", "list-multipart-uploads", "--bucket", "site", "--query", "length(Uploads || `[]`)"), "0")
	s.aws(t, "s3", "rb", "s3://site")
	s.term(t)
	s.serve(t) // sweeps
	s.swept(t)
}

// killInUpload kills Skylift while a file comes, and starts it again.
func (s *skylift) killInUpload(t *testing.T, path string, size int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	url := s.presigned(t, "put_object", "half")
	begun := make(chan struct{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, io.MultiReader(io.LimitReader(f, 20<<20), &held{begun: begun, until: s.ended}))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(size)
	done := make(chan error, 1)
	go func() {
		res, err := http.DefaultClient.Do(r)
		if err == nil {
			res.Body.Close()
			err = fmt.Errorf("answered %s", res.Status)
		}
		done <- err
	}()
	select {
	case <-begun:
	case err := <-done:
		t.Fatalf("the upload ended early: %v", err)
	}
	s.kill9(t)
	if err := <-done; strings.HasPrefix(err.Error(), "answered") {
		t.Errorf("half an upload: %v", err)
	}
	s.serve(t)
}

// held is a body that stands still.
type held struct{ begun, until chan struct{} }

func (h *held) Read([]byte) (int, error) {
	close(h.begun)
	<-h.until
	return 0, io.ErrUnexpectedEOF
}

func sumOf(t *testing.T, path string) (sum [md5.Size]byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return md5.Sum(b)
}

// presigned returns a URL for an operation on an object of the bucket site.
func (s *skylift) presigned(t *testing.T, operation, key string) string {
	t.Helper()
	const program = `import boto3, sys
from botocore.config import Config
print(boto3.client("s3", endpoint_url=sys.argv[1], config=Config(signature_version="s3v4", s3={"addressing_style": "path"})).generate_presigned_url(sys.argv[2], Params={"Bucket": "site", "Key": sys.argv[3]}))`
	cmd := exec.CommandContext(t.Context(), "python3", "-c", program, "http://"+s.listen, operation, key)
	cmd.Env = s.env()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("presign: %v\n%s", err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// versionsAndPolicies keeps versions, tags and policies in the bucket site, and reads by a URL that somebody else signed.
func (s *skylift) versionsAndPolicies(t *testing.T, want func(what, got, want string), text func(args ...string) string) {
	t.Helper()
	url := s.presigned(t, "get_object", "web/a/b.txt")
	if got := fetch(t, url); got != "b" {
		t.Errorf("presigned: %q", got)
	}
	s.aws(t, "s3api", "put-bucket-versioning", "--bucket", "site", "--versioning-configuration", "Status=Enabled")
	s.aws(t, "s3", "rm", "s3://site/web/a/b.txt")
	want("versions", text("s3api", "list-object-versions", "--bucket", "site", "--prefix", "web/a/b.txt", "--query", "[Versions[].VersionId,DeleteMarkers[].IsLatest]"), "null\nTrue")
	s.aws(t, "s3api", "put-object-tagging", "--bucket", "site", "--key", "web/index.html", "--tagging", "TagSet=[{Key=kind,Value=page}]")
	want("tags", text("s3api", "get-object-tagging", "--bucket", "site", "--key", "web/index.html", "--query", "TagSet[].[Key,Value]"), "kind\tpage")
	code, _ := s.awsErr(t, "s3api", "get-bucket-policy", "--bucket", "site")
	want("no policy", code, "NoSuchBucketPolicy")
	code, _ = s.awsErr(t, "s3api", "get-bucket-website", "--bucket", "site")
	want("a website", code, "NotImplemented")
	s.aws(t, "s3api", "put-bucket-policy", "--bucket", "site", "--policy",
		`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::site/web/*"}]}`)
	code, _ = s.awsErr(t, "s3api", "delete-object", "--bucket", "site", "--key", "web/index.html")
	want("what the policy denies", code, "AccessDenied")
	s.aws(t, "s3api", "delete-bucket-policy", "--bucket", "site")
	s.aws(t, "s3api", "put-bucket-versioning", "--bucket", "site", "--versioning-configuration", "Status=Suspended")
	for id := range strings.FieldsSeq(text("s3api", "list-object-versions", "--bucket", "site", "--query", "DeleteMarkers[].VersionId")) {
		s.aws(t, "s3api", "delete-object", "--bucket", "site", "--key", "web/a/b.txt", "--version-id", id)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url) //nolint:noctx // a URL as people use it
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// swept waits until no file of an object is left.
func (s *skylift) swept(t *testing.T) {
	t.Helper()
	waitFor(t, 2*time.Minute, "files of objects that are gone to be removed", func() error {
		left, err := filepath.Glob(filepath.Join(s.dir, "s3", "*", "*"))
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d are left, one is %s", len(left), left[0])
		}
		return err
	})
}
