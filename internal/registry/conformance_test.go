package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// These tests go through the OCI distribution specification 1.1 end by end,
// in its order.

func TestLogin(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	a := c.want(c.do("GET", "/v2/", nil), 200)
	if got := a.header.Get("Docker-Distribution-Api-Version"); got != "registry/2.0" {
		t.Errorf("got version %q", got)
	}
	for _, path := range []string{"/v2/", "/v2/app/manifests/latest", "/v2/nowhere/tags/list", "/v2/_catalog"} {
		a := c.want(c.do("GET", path, nil, "Authorization", "Basic bm86Ym9keQ=="), 401)
		if a.code() != "UNAUTHORIZED" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), `Basic realm="http://`) {
			t.Errorf("%s: got %s %v", path, a.body, a.header)
		}
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	c := open(t, "team/app")
	manifest, layer := c.push("team/app", "v1")
	dgst := digest.FromBytes(manifest).String()
	for _, ref := range []string{"v1", dgst} {
		for _, method := range []string{"GET", "HEAD"} {
			a := c.want(c.do(method, "/v2/team/app/manifests/"+ref, nil), 200)
			if a.header.Get("Docker-Content-Digest") != dgst || a.header.Get("Content-Type") != v1.MediaTypeImageManifest ||
				a.header.Get("Content-Length") != fmt.Sprint(len(manifest)) {
				t.Errorf("%s %s: got header %v", method, ref, a.header)
			}
			if method == "GET" && !bytes.Equal(a.body, manifest) {
				t.Errorf("got manifest %s, want %s", a.body, manifest)
			}
		}
	}
	a := c.want(c.do("GET", "/v2/team/app/blobs/"+layer.String(), nil), 200)
	if digest.FromBytes(a.body) != layer {
		t.Error("the blob came back changed")
	}
	a = c.want(c.do("GET", "/v2/team/app/blobs/"+layer.String(), nil, "Range", "bytes=10-19"), 206)
	if len(a.body) != 10 {
		t.Errorf("got %d bytes of a range of 10", len(a.body))
	}
	c.want(c.do("HEAD", "/v2/team/app/blobs/"+layer.String(), nil), 200)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	absent := digest.FromString("absent").String()
	tests := []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/v2/app/manifests/absent", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/" + absent, 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/app/manifests/.bad", 400, "TAG_INVALID"},
		{"GET", "/v2/app/manifests/sha256:short", 400, "DIGEST_INVALID"},
		{"GET", "/v2/app/manifests/sha512:" + strings.Repeat("0", 128), 400, "DIGEST_INVALID"},
		{"GET", "/v2/app/blobs/" + absent, 404, "BLOB_UNKNOWN"},
		{"GET", "/v2/app/blobs/sha512:" + strings.Repeat("0", 128), 400, "DIGEST_INVALID"},
		{"GET", "/v2/other/manifests/absent", 404, "NAME_UNKNOWN"},
		{"PUT", "/v2/other/manifests/absent", 404, "NAME_UNKNOWN"},
		{"POST", "/v2/other/blobs/uploads/", 404, "NAME_UNKNOWN"},
		{"GET", "/v2/UPPER/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/app/../../etc/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/app/nonsense", 404, "UNSUPPORTED"},
		{"PATCH", "/v2/app/manifests/x", 405, "UNSUPPORTED"},
		{"DELETE", "/v2/app/blobs/" + absent, 405, "UNSUPPORTED"},
		{"DELETE", "/v2/app/manifests/absent", 404, "MANIFEST_UNKNOWN"},
		{"PUT", "/v2/app/manifests/x", 400, "MANIFEST_INVALID"},
		{"GET", "/v2/app/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID"},
		{"GET", "/v2/app/referrers/nonsense", 400, "DIGEST_INVALID"},
		{"PATCH", "/v2/app/blobs/uploads/8a76d64a-cf65-44e8-9b3f-cbb0a1e5c1c2", 404, "BLOB_UPLOAD_INVALID"},
	}
	for _, tt := range tests {
		a := c.do(tt.method, tt.path, nil)
		if a.status != tt.status || a.code() != tt.code {
			t.Errorf("%s %s: got %d %s, want %d %s", tt.method, tt.path, a.status, a.body, tt.status, tt.code)
		}
	}
	a := c.do("GET", "/v2/other/tags/list", nil)
	if want := "The repository with name 'other' does not exist in the registry with id '111122223333'"; !strings.Contains(string(a.body), want) {
		t.Errorf("got %s, want %s", a.body, want)
	}
}

func TestPushBlobInChunks(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	content := random(3000)
	d := digest.FromBytes(content).String()
	a := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
	chunk := func(from, to, status int) answer {
		t.Helper()
		return c.want(c.do("PATCH", c.location(a), content[from:to], "Content-Type", "application/octet-stream",
			"Content-Range", fmt.Sprintf("%d-%d", from, to-1)), status)
	}
	first := chunk(0, 1000, 202)
	if got := first.header.Get("Range"); got != "0-999" {
		t.Errorf("got range %q, want 0-999", got)
	}
	a = first
	chunk(2000, 3000, 416) // out of order
	status := c.want(c.do("GET", c.location(a), nil), 204)
	if got := status.header.Get("Range"); got != "0-999" {
		t.Errorf("got range %q, want 0-999", got)
	}
	c.start() // uploads outlive a restart
	a.header.Set("Location", strings.Replace(c.location(a), "//"+hostOf(c.location(a)), "//"+hostOf(c.url), 1))
	a = chunk(1000, 2000, 202)
	c.want(c.do("PUT", c.location(a, "digest", d), content[2000:]), 201)
	if got := c.want(c.do("GET", "/v2/app/blobs/"+d, nil), 200); !bytes.Equal(got.body, content) {
		t.Error("the blob came back changed")
	}
}

func hostOf(u string) string {
	_, rest, _ := strings.Cut(u, "//")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func TestResumeAfterBrokenConnection(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	content := random(1 << 20)
	a := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
	broken := io.MultiReader(bytes.NewReader(content[:600_000]), failing{})
	if _, err := c.try("PATCH", c.location(a), broken, "Content-Type", "application/octet-stream"); err == nil {
		t.Fatal("the connection didn't break")
	}
	for <-c.ended != "PATCH" { // the server has seen the end too
	}
	status := c.want(c.do("GET", c.location(a), nil), 204)
	end := -1
	if _, err := fmt.Sscanf(status.header.Get("Range"), "0-%d", &end); err != nil {
		t.Fatal(err)
	}
	c.want(c.do("PUT", c.location(status, "digest", digest.FromBytes(content).String()), content[end+1:]), 201)
	d := digest.FromBytes(content).String()
	if got := c.want(c.do("GET", "/v2/app/blobs/"+d, nil), 200); !bytes.Equal(got.body, content) {
		t.Error("the blob came back changed")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestPushBlob(t *testing.T) {
	t.Parallel()
	c := open(t, "app", "other")
	content := []byte("one layer")
	d := digest.FromBytes(content).String()

	t.Run("in one POST or POST and PUT", func(t *testing.T) {
		a := c.do("POST", "/v2/app/blobs/uploads/?digest="+d, content, "Content-Type", "application/octet-stream")
		if a.status != 201 {
			c.want(a, 202) // the specification lets a registry ask for a PUT
			c.want(c.do("PUT", c.location(a, "digest", d), content), 201)
		}
		c.want(c.do("HEAD", "/v2/app/blobs/"+d, nil), 200)
	})
	t.Run("a wrong digest is refused", func(t *testing.T) {
		a := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
		wrong := digest.FromString("something else").String()
		a = c.want(c.do("PUT", c.location(a, "digest", wrong), content), 400)
		if a.code() != "DIGEST_INVALID" {
			t.Errorf("got %s", a.body)
		}
		c.want(c.do("HEAD", "/v2/app/blobs/"+wrong, nil), 404)
	})
	t.Run("mounted from another repository", func(t *testing.T) {
		c.want(c.do("HEAD", "/v2/other/blobs/"+d, nil), 404)
		a := c.want(c.do("POST", "/v2/other/blobs/uploads/?from=app&mount="+d, nil), 201)
		if got := a.header.Get("Docker-Content-Digest"); got != d {
			t.Errorf("got digest %q", got)
		}
		c.want(c.do("HEAD", "/v2/other/blobs/"+d, nil), 200)
	})
	t.Run("not mounted from where it isn't", func(t *testing.T) {
		absent := digest.FromString("absent").String()
		c.want(c.do("POST", "/v2/other/blobs/uploads/?from=app&mount="+absent, nil), 202)
		c.want(c.do("POST", "/v2/other/blobs/uploads/?from=nowhere&mount="+d, nil), 202)
	})
	t.Run("cancelled", func(t *testing.T) {
		a := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
		c.want(c.do("DELETE", c.location(a), nil), 204)
		c.want(c.do("GET", c.location(a), nil), 404)
	})
}

func TestPushManifest(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	manifest := c.image("app", []byte("a layer"))
	dgst := digest.FromBytes(manifest)

	a := c.want(c.put("app", "v1", manifest), 201)
	if got := a.header.Get("Docker-Content-Digest"); got != dgst.String() {
		t.Errorf("got digest %q, want %q", got, dgst)
	}
	if got := a.header.Get("Location"); got != "/v2/app/manifests/"+dgst.String() {
		t.Errorf("got location %q", got)
	}
	c.want(c.put("app", dgst.String(), manifest), 201)
	if a := c.want(c.put("app", digest.FromString("other").String(), manifest), 400); a.code() != "DIGEST_INVALID" {
		t.Errorf("got %s", a.body)
	}
	if a := c.want(c.put("app", "v2", []byte("not JSON")), 400); a.code() != "MANIFEST_INVALID" {
		t.Errorf("got %s", a.body)
	}
	c.want(c.put("app", "v2", make([]byte, maxManifest+1)), 413)

	var m v1.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	m.Layers[0].Digest = digest.FromString("never uploaded")
	a = c.want(c.put("app", "v2", encode(t, m)), 400)
	if a.code() != "MANIFEST_BLOB_UNKNOWN" {
		t.Errorf("got %s", a.body)
	}
	c.want(c.do("GET", "/v2/app/manifests/v2", nil), 404)
}

func TestPushIndex(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	small, large := c.image("app", random(10)), c.image("app", random(1000))
	index := v1.Index{MediaType: v1.MediaTypeImageIndex}
	index.SchemaVersion = 2
	for _, m := range [][]byte{small, large} {
		index.Manifests = append(index.Manifests, v1.Descriptor{
			MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(m), Size: int64(len(m)), Platform: &v1.Platform{Architecture: "amd64", OS: "linux"},
		})
	}
	body := encode(t, index)
	push := func() answer {
		return c.do("PUT", "/v2/app/manifests/multi", body, "Content-Type", v1.MediaTypeImageIndex)
	}
	c.want(push(), 400) // its images come first
	c.want(c.put("app", digest.FromBytes(small).String(), small), 201)
	c.want(c.put("app", digest.FromBytes(large).String(), large), 201)
	c.want(push(), 201)
	got := c.records.repos["app"][2]
	config := len(`{"architecture":"amd64","os":"linux"}`)
	if want := int64(1000 + config); got.Size != want || len(got.Children) != 2 || got.MediaType != v1.MediaTypeImageIndex {
		t.Errorf("got record %+v, want size %d", got, want)
	}
}

func TestTagsList(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	list := func(query string) (answer, []string) {
		t.Helper()
		a := c.want(c.do("GET", "/v2/app/tags/list"+query, nil), 200)
		var out struct {
			Name string
			Tags []string
		}
		if err := json.Unmarshal(a.body, &out); err != nil || out.Name != "app" {
			t.Fatalf("got %s: %v", a.body, err)
		}
		return a, out.Tags
	}
	if _, got := list(""); got == nil || len(got) != 0 {
		t.Errorf("got tags %v, want an empty list", got)
	}
	manifest := c.image("app", []byte("a layer"))
	for _, tag := range []string{"c", "a", "b", "d"} {
		c.want(c.put("app", tag, manifest), 201)
	}
	a, got := list("?n=2")
	if diff := cmp.Diff([]string{"a", "b"}, got); diff != "" {
		t.Error(diff)
	}
	if want := `</v2/app/tags/list?last=b&n=2>; rel="next"`; a.header.Get("Link") != want {
		t.Errorf("got link %q, want %q", a.header.Get("Link"), want)
	}
	a, got = list("?last=b&n=2")
	if diff := cmp.Diff([]string{"c", "d"}, got); diff != "" || a.header.Get("Link") != "" {
		t.Errorf("%s, link %q", diff, a.header.Get("Link"))
	}
	if _, got = list("?n=0"); len(got) != 0 {
		t.Errorf("got tags %v, want none", got)
	}
	catalog := c.want(c.do("GET", "/v2/_catalog", nil), 200)
	if want := `{"repositories":["app"]}`; string(catalog.body) != want {
		t.Errorf("got %s, want %s", catalog.body, want)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	manifest, _ := c.push("app", "v1")
	dgst := digest.FromBytes(manifest).String()
	c.want(c.do("DELETE", "/v2/app/manifests/v1", nil), 202)
	c.want(c.do("GET", "/v2/app/manifests/v1", nil), 404)
	c.want(c.do("GET", "/v2/app/manifests/"+dgst, nil), 200)
	c.want(c.do("DELETE", "/v2/app/manifests/"+dgst, nil), 202)
	c.want(c.do("GET", "/v2/app/manifests/"+dgst, nil), 404)
}

func TestReferrers(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	image, _ := c.push("app", "v1")
	subject := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(image), Size: int64(len(image))}
	for _, kind := range []string{"application/vnd.example.sbom", "application/vnd.example.signature"} {
		empty := c.blob("app", []byte("{}"))
		empty.MediaType = v1.MediaTypeEmptyJSON
		m := v1.Manifest{
			MediaType: v1.MediaTypeImageManifest, ArtifactType: kind, Config: empty, Layers: []v1.Descriptor{empty},
			Subject: &subject, Annotations: map[string]string{"kind": kind},
		}
		m.SchemaVersion = 2
		body := encode(t, m)
		a := c.want(c.put("app", digest.FromBytes(body).String(), body), 201)
		if got := a.header.Get("OCI-Subject"); got != subject.Digest.String() {
			t.Errorf("got OCI-Subject %q", got)
		}
	}
	referrers := func(query string) (answer, v1.Index) {
		a := c.want(c.do("GET", "/v2/app/referrers/"+subject.Digest.String()+query, nil), 200)
		var index v1.Index
		if err := json.Unmarshal(a.body, &index); err != nil || a.header.Get("Content-Type") != v1.MediaTypeImageIndex {
			t.Fatalf("got %s: %v", a.body, err)
		}
		return a, index
	}
	if _, index := referrers(""); len(index.Manifests) != 2 || index.Manifests[0].Annotations["kind"] == "" {
		t.Errorf("got %+v, want both", index)
	}
	a, index := referrers("?artifactType=application/vnd.example.sbom")
	if len(index.Manifests) != 1 || a.header.Get("OCI-Filters-Applied") != "artifactType" {
		t.Errorf("got %+v %v, want the one", index, a.header)
	}
}

// What has no subject here yet, or any more, refers to it all the same, and nothing refers to what nobody knows.
func TestReferrersOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	absent := v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("absent"), Size: 6}
	list := func() (index v1.Index) {
		a := c.want(c.do("GET", "/v2/app/referrers/"+absent.Digest.String(), nil), 200)
		if err := json.Unmarshal(a.body, &index); err != nil || index.SchemaVersion != 2 || index.Manifests == nil {
			t.Fatalf("got %s: %v", a.body, err)
		}
		return index
	}
	if got := list(); len(got.Manifests) != 0 {
		t.Errorf("got %+v, want none", got)
	}
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, ArtifactType: "application/vnd.example.bundle", Subject: &absent, Manifests: []v1.Descriptor{}, Annotations: map[string]string{"a": "b"}}
	index.SchemaVersion = 2
	body := encode(t, index)
	a := c.want(c.do("PUT", "/v2/app/manifests/"+digest.FromBytes(body).String(), body, "Content-Type", v1.MediaTypeImageIndex), 201)
	if got := a.header.Get("OCI-Subject"); got != absent.Digest.String() {
		t.Errorf("got OCI-Subject %q", got)
	}
	want := []v1.Descriptor{{MediaType: v1.MediaTypeImageIndex, ArtifactType: index.ArtifactType, Digest: digest.FromBytes(body), Size: int64(len(body)), Annotations: index.Annotations}}
	if diff := cmp.Diff(want, list().Manifests); diff != "" {
		t.Error(diff)
	}
	c.want(c.do("DELETE", "/v2/app/manifests/"+digest.FromBytes(body).String(), nil), 202)
	if got := list(); len(got.Manifests) != 0 {
		t.Errorf("after DELETE got %+v, want none", got)
	}
}

// Artifacts are manifests whose configuration is empty, or of a type of their own, and cosign finds them by a tag.
func TestArtifacts(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	image, _ := c.push("app", "v1")
	tag := strings.Replace(digest.FromBytes(image).String(), ":", "-", 1) + ".sig"
	for kind, config := range map[string]string{"": "application/vnd.cncf.helm.config.v1+json", "application/vnd.example.thing": v1.MediaTypeEmptyJSON} {
		d := c.blob("app", []byte("{}"))
		d.MediaType = config
		m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, ArtifactType: kind, Config: d, Layers: []v1.Descriptor{c.blob("app", []byte("signature"))}}
		m.SchemaVersion = 2
		body := encode(t, m)
		c.want(c.put("app", tag, body), 201)
		if a := c.want(c.do("GET", "/v2/app/manifests/"+tag, nil, "Accept", v1.MediaTypeImageManifest), 200); !bytes.Equal(a.body, body) {
			t.Errorf("got %s, want %s", a.body, body)
		}
		want := kind
		if want == "" {
			want = config
		}
		if got := c.records.repos["app"]; got[len(got)-1].ArtifactType != want {
			t.Errorf("got artifact type %q, want %q", got[len(got)-1].ArtifactType, want)
		}
	}
}
