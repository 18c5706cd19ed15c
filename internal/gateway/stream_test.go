package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// objects is an S3 that keeps objects in memory: enough to see bodies come and go.
type objects struct {
	mu   sync.Mutex
	kept map[string]object
	came chan int // how much of a body a handler has, as it comes; nil: nobody looks
}

type object struct {
	data     []byte
	encoding *string
	sums     http.Header
}

func (o *objects) put(_ context.Context, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	var b bytes.Buffer
	for part := make([]byte, 32<<10); ; {
		n, err := in.Body.Read(part)
		b.Write(part[:n])
		if n > 0 && o.came != nil {
			o.came <- b.Len()
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the body: %w", err)
		}
	}
	if in.ContentLength == nil || *in.ContentLength != int64(b.Len()) {
		return nil, fmt.Errorf("content length %v of %d bytes", in.ContentLength, b.Len())
	}
	o.keep(*in.Key, object{b.Bytes(), in.ContentEncoding, wire.Sums(in.Body)})
	return &s3.PutObjectOutput{ETag: aws.String(`"e"`)}, nil
}

func (o *objects) get(_ context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	obj, ok := o.kept[*in.Key]
	if !ok {
		return nil, &types.NoSuchKey{Message: aws.String("The specified key does not exist.")}
	}
	body := io.Reader(bytes.NewReader(obj.data))
	if *in.Key == "broken" {
		return &s3.GetObjectOutput{Body: io.NopCloser(io.MultiReader(body, brokenReader{}))}, nil
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(body), ContentLength: aws.Int64(int64(len(obj.data))), ContentType: aws.String("text/tea"), ContentEncoding: obj.encoding}, nil
}

func (o *objects) keep(key string, v object) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept[key] = v
}

// object returns what is kept of a key.
func (o *objects) object(key string) object {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.kept[key]
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func (o *objects) delete(_ context.Context, in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out s3.DeleteObjectsOutput
	for _, d := range in.Delete.Objects {
		delete(o.kept, *d.Key)
		out.Deleted = append(out.Deleted, types.DeletedObject{Key: d.Key})
	}
	return &out, nil
}

// openObjects starts a gateway with such an S3.
func openObjects(t *testing.T, came chan int) (gate, *objects) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "wire", "testdata", "s3.json"))
	if err != nil {
		t.Fatal(err)
	}
	desc := new(descriptor.Service)
	if err := json.Unmarshal(b, desc); err != nil {
		t.Fatal(err)
	}
	o := &objects{kept: map[string]object{}, came: came}
	s, err := wire.NewDescribed(desc,
		wire.Op("PutObject", o.put).Takes("*").On("*: *"), wire.Op("GetObject", o.get).Takes("*").On("*: *"),
		wire.Op("DeleteObjects", o.delete).Takes("*").On("*: *"))
	if err != nil {
		t.Fatal(err)
	}
	g, _ := open(t, func(c *Config) { c.Services = []*wire.Service{s}; c.MaxBody = 64 << 10 })
	return g, o
}

func s3Client(g gate, change func(*s3.Options)) *s3.Client {
	return s3.NewFromConfig(awsConfig(g, rootKey, region), func(o *s3.Options) {
		o.UsePathStyle = true
		if change != nil {
			change(o)
		}
	})
}

// TestObjectsGoThroughWhole puts and gets more than a body in memory may be, with each checksum, and signed in each way
// that the SDK has.
func TestObjectsGoThroughWhole(t *testing.T) {
	t.Parallel()
	g, o := openObjects(t, nil)
	data := bytes.Repeat([]byte("0123456789abcde\n"), 40<<10)
	for _, kind := range types.ChecksumAlgorithm("").Values() {
		client := s3Client(g, nil)
		key := "a b/" + string(kind)
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("b"), Key: &key, Body: bytes.NewReader(data), ChecksumAlgorithm: kind, ContentEncoding: aws.String("gzip"),
		})
		if strings.HasPrefix(string(kind), "XXHASH") {
			continue // the SDK leaves the sum to its caller
		}
		if err != nil {
			if !strings.Contains(err.Error(), "unknown checksum algorithm") {
				t.Errorf("%s: %v", kind, err)
			}
			continue
		}
		got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: &key})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		back, err := io.ReadAll(got.Body)
		if err != nil || !bytes.Equal(back, data) || *got.ContentType != "text/tea" || *got.ContentEncoding != "gzip" {
			t.Errorf("%s: %d bytes, %v", kind, len(back), err)
		}
		if len(o.object(key).sums) == 0 {
			t.Errorf("%s: the handler is told of no checksum", kind)
		}
	}
	unsigned := s3Client(g, func(o *s3.Options) {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	})
	if _, err := unsigned.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("u"), Body: bytes.NewReader(data)}); err != nil {
		t.Errorf("unsigned: %v", err)
	}
	if out, err := unsigned.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: aws.String("b"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("u")}}}}); err != nil || len(out.Deleted) != 1 || *out.Deleted[0].Key != "u" {
		t.Errorf("delete: %+v, %v", out, err)
	}
	if _, err := unsigned.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("u")}); err == nil || !strings.Contains(err.Error(), "NoSuchKey") {
		t.Errorf("what is deleted: %v", err)
	}
}

func TestPresignedObjects(t *testing.T) {
	t.Parallel()
	g, o := openObjects(t, nil)
	sign := s3.NewPresignClient(s3Client(g, nil))
	put, err := sign.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), ContentEncoding: aws.String("br")})
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, url string, header http.Header, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(r.Header, header)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if status, body := do(put.Method, put.URL, put.SignedHeader, "some tea"); status != 200 {
		t.Fatalf("put: %d %s", status, body)
	}
	if got := o.object("k"); string(got.data) != "some tea" || *got.encoding != "br" {
		t.Errorf("kept %q", got.data)
	}
	get, err := sign.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := do(get.Method, get.URL, nil, ""); status != 200 || body != "some tea" {
		t.Errorf("get: %d %s", status, body)
	}
	if status, body := do(get.Method, get.URL+"0", nil, ""); status != 403 || !strings.Contains(body, "<Error><Code>SignatureDoesNotMatch</Code>") {
		t.Errorf("get with another signature: %d %s", status, body)
	}
}

// TestABodyIsReadAsItComes: the handler has the first half before the second is sent; and what is wrong at its end is
// told in S3's words.
func TestABodyIsReadAsItComes(t *testing.T) {
	t.Parallel()
	came := make(chan int, 100)
	g, o := openObjects(t, came)
	send := func(trailer string, wait bool) (int, string) {
		t.Helper()
		pr, pw := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.url+"/b/k", pr)
		if err != nil {
			t.Fatal(err)
		}
		const kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
		for k, v := range map[string]string{"X-Amz-Content-Sha256": kind, "X-Amz-Decoded-Content-Length": "9", "X-Amz-Trailer": "x-amz-checksum-crc32", "Content-Encoding": "aws-chunked"} {
			r.Header.Set(k, v)
		}
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: rootKey.AccessKeyID, SecretAccessKey: rootKey.SecretAccessKey}, r, kind, "s3", region, time.Now(), func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.WriteString(pw, "5\r\n12345\r\n")
			for n := 0; wait && n < 5; n = <-came {
			}
			_, _ = io.WriteString(pw, "4\r\n6789\r\n0\r\n"+trailer+"\r\n\r\n")
			pw.Close()
		}()
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if status, body := send("x-amz-checksum-crc32:y/Q5Jg==", true); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if got := o.object("k"); string(got.data) != "123456789" || got.encoding != nil || got.sums.Get("x-amz-checksum-crc32") != "y/Q5Jg==" {
		t.Errorf("kept %q %v", got.data, got.sums)
	}
	delete(o.kept, "k")
	for trailer, code := range map[string]string{"x-amz-checksum-crc32:AAAAAA==": "BadDigest", "x-amz-other:a": "MalformedTrailerError", "nonsense": "IncompleteBody"} {
		if status, body := send(trailer, false); status != 400 || !strings.Contains(body, "<Code>"+code+"</Code>") {
			t.Errorf("%s: %d %s, want %s", trailer, status, body, code)
		}
	}
	if len(o.kept) > 0 {
		t.Errorf("kept %v", o.kept)
	}
}

// TestAnAnswerThatBreaksOff must not look whole.
func TestAnAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	g, o := openObjects(t, nil)
	o.keep("broken", object{data: bytes.Repeat([]byte("a"), 1<<20)})
	got, err := s3Client(g, nil).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("broken")})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, got.Body); err == nil {
		t.Errorf("%d bytes look whole", n)
	}
	if !strings.Contains(g.log.String(), "answer cut off") {
		t.Errorf("log: %s", g.log)
	}
}

func TestS3SaysWhatIsWrongInItsWords(t *testing.T) {
	t.Parallel()
	g, _ := openObjects(t, nil)
	wrong := rootKey
	wrong.SecretAccessKey += "x"
	_, err := s3.NewFromConfig(awsConfig(g, wrong, region), func(o *s3.Options) { o.UsePathStyle = true }).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: strings.NewReader("t")})
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "SignatureDoesNotMatch" {
		t.Errorf("another secret: %v", err)
	}
	res, err := http.Get(g.url + "/b/k")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusBadRequest {
		t.Errorf("without a signature: %d", res.StatusCode)
	}
}

// TestRealCLIMovesObjects: the aws command sends bodies in chunks of its own.
func TestRealCLIMovesObjects(t *testing.T) {
	t.Parallel()
	g, o := openObjects(t, nil)
	dir := t.TempDir()
	data := bytes.Repeat([]byte("tea\n"), 700<<10)
	if err := os.WriteFile(filepath.Join(dir, "in"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"CRC32", "SHA256"} {
		if out, err := cli(t, g, "s3api", "put-object", "--bucket", "b", "--key", "k", "--body", filepath.Join(dir, "in"), "--checksum-algorithm", kind); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !bytes.Equal(o.object("k").data, data) || o.object("k").sums.Get("x-amz-checksum-"+kind) == "" {
			t.Errorf("%s: %d bytes are kept of %d, %v", kind, len(o.object("k").data), len(data), o.object("k").sums)
		}
	}
	if out, err := cli(t, g, "s3api", "get-object", "--bucket", "b", "--key", "k", filepath.Join(dir, "out")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if back, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || !bytes.Equal(back, data) {
		t.Errorf("%d bytes come back of %d, %v", len(back), len(data), err)
	}
}
