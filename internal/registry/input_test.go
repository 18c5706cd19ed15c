package registry

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	schema1        = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// TestManifestSizes: sizes are those of what is there, or the manifest is
// refused and nothing is recorded.
func TestManifestSizes(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	body := c.image("app", []byte("layer"))
	var good v1.Manifest
	if err := json.Unmarshal(body, &good); err != nil {
		t.Fatal(err)
	}
	edit := func(change func(*v1.Manifest)) []byte {
		m := good
		m.Layers = append([]v1.Descriptor(nil), good.Layers...)
		change(&m)
		return encode(t, m)
	}
	const most = 1<<63 - 1
	foreign := v1.Descriptor{MediaType: v1.MediaTypeImageLayerNonDistributable, Digest: digest.FromString("elsewhere"), URLs: []string{"https://example.com/layer"}} //nolint:staticcheck // deprecated, and used
	for _, tt := range []struct {
		name string
		body []byte
		want int
	}{
		{"negative configuration", edit(func(m *v1.Manifest) { m.Config.Size = -1 }), 400},
		{"negative layer", edit(func(m *v1.Manifest) { m.Layers[0].Size = -5 }), 400},
		{"the largest layer", edit(func(m *v1.Manifest) { m.Layers[0].Size = most }), 400},
		{"one byte more", edit(func(m *v1.Manifest) { m.Layers[0].Size++ }), 400},
		{"one byte less", edit(func(m *v1.Manifest) { m.Config.Size-- }), 400},
		{"no size", edit(func(m *v1.Manifest) { m.Layers[0].Size = 0 }), 400},
		{"a layer twice, once wrong", edit(func(m *v1.Manifest) { d := m.Layers[0]; d.Size++; m.Layers = append(m.Layers, d) }), 400},
		{"more than fits", edit(func(m *v1.Manifest) { d := foreign; d.Size = most; m.Layers = append(m.Layers, d) }), 400},
		{"negative layer elsewhere", edit(func(m *v1.Manifest) { d := foreign; d.Size = -1; m.Layers = append(m.Layers, d) }), 400},
		{"negative subject", edit(func(m *v1.Manifest) {
			m.Subject = &v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: -1}
		}), 400},
		{"a digest that is none", edit(func(m *v1.Manifest) { m.Layers[0].Digest = "sha256:zz" }), 400},
		{"a digest of another kind", edit(func(m *v1.Manifest) { m.Layers[0].Digest = digest.SHA512.FromString("layer") }), 400},
		{"a layer that isn't there", edit(func(m *v1.Manifest) { m.Layers[0].Digest = digest.FromString("nothing") }), 400},
		{"a layer elsewhere", edit(func(m *v1.Manifest) { d := foreign; d.Size = 1000; m.Layers = append(m.Layers, d) }), 201},
		{"as it is", body, 201},
	} {
		before := len(c.records.repos["app"])
		a := c.put("app", "v1", tt.body)
		if a.status != tt.want || a.status == 400 && !strings.HasPrefix(a.code(), "MANIFEST_") {
			t.Errorf("%s: got %d %s, want %d", tt.name, a.status, a.body, tt.want)
		}
		if recorded := len(c.records.repos["app"]) > before; recorded != (tt.want == 201) {
			t.Errorf("%s: recorded: %v", tt.name, recorded)
		}
	}
	for _, size := range []int64{-1, 0, int64(len(body)) + 1, int64(len(body))} {
		index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{{MediaType: v1.MediaTypeImageManifest, Digest: digest.FromBytes(body), Size: size}}}
		index.SchemaVersion = 2
		a := c.do("PUT", "/v2/app/manifests/both", encode(t, index), "Content-Type", v1.MediaTypeImageIndex)
		if good := size == int64(len(body)); (a.status == 201) != good || !good && a.code() != "MANIFEST_INVALID" {
			t.Errorf("an index that says %d bytes of %d: %d %s", size, len(body), a.status, a.body)
		}
	}
}

// TestMalformedManifests: none is a fault of the registry's, whatever it is said
// to be.
func TestMalformedManifests(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	good := string(c.image("app", []byte("layer")))
	bodies := []string{
		"", " ", "null", "true", "0", `""`, "[]", "{}", "{", "\x00", "\xff\xfe", `{"schemaVersion":1}`, `{"schemaVersion":1,"name":"app","tag":"v1","fsLayers":[],"history":[],"signatures":[]}`,
		`{"schemaVersion":2}`, `{"schemaVersion":"2"}`, `{"schemaVersion":2.5}`, `{"schemaVersion":-2}`, `{"schemaVersion":99999999999999999999}`,
		`{"schemaVersion":2,"config":null,"layers":null}`, `{"schemaVersion":2,"config":[],"layers":{}}`, `{"schemaVersion":2,"config":{},"layers":[{}]}`, `{"schemaVersion":2,"layers":[null]}`,
		`{"schemaVersion":2,"manifests":null}`, `{"schemaVersion":2,"manifests":[]}`, `{"schemaVersion":2,"manifests":[null]}`, `{"schemaVersion":2,"manifests":[{}]}`, `{"schemaVersion":2,"manifests":{}}`,
		`{"schemaVersion":2,"mediaType":5}`, `{"schemaVersion":2,"mediaType":"text/plain"}`, `{"schemaVersion":2,"mediaType":"` + schema1 + `"}`,
		`{"schemaVersion":2,"subject":{}}`, `{"schemaVersion":2,"subject":"x"}`, `{"schemaVersion":2,"annotations":{"a":1}}`, `{"schemaVersion":2,"annotations":[]}`, `{"schemaVersion":2,"artifactType":7}`,
		strings.Replace(good, `"schemaVersion":2`, `"schemaVersion":1`, 1), strings.Replace(good, `"size":`, `"size":1e99,"x":`, 1), strings.Replace(good, `"size":`, `"size":"5","x":`, 1),
		strings.Replace(good, `"schemaVersion":2`, `"schemaVersion":2,"manifests":[]`, 1), strings.Replace(good, `"mediaType":"`+v1.MediaTypeImageManifest+`",`, ``, 1),
		strings.Replace(good, v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, 1), strings.Replace(good, v1.MediaTypeImageManifest, dockerList, 1),
		strings.Replace(good, `"schemaVersion":2`, `"schemaVersion":2,"annotations":null,"subject":null,"artifactType":""`, 1),
		good + good, good[:len(good)/2], strings.Repeat("[", 20_000), `{"schemaVersion":2,"x":` + strings.Repeat(`{"x":`, 9_000) + "1" + strings.Repeat("}", 9_000) + "}",
	}
	kinds := []string{"", "x", "application/json", v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, dockerManifest, dockerList, schema1, v1.MediaTypeImageManifest + "; charset=utf-8", ";"}
	for _, kind := range kinds {
		for _, body := range bodies {
			a := c.do("PUT", "/v2/app/manifests/v1", []byte(body), "Content-Type", kind)
			if a.status >= 500 || a.status < 200 {
				t.Errorf("%q said to be %q: %d %s", body[:min(len(body), 200)], kind, a.status, a.body)
			}
		}
	}
	for _, body := range []string{"null", "[]", `{"schemaVersion":1}`, "{"} {
		if a := c.put("app", "v1", []byte(body)); a.status != 400 || a.code() != "MANIFEST_INVALID" {
			t.Errorf("%s: %d %s, want 400 MANIFEST_INVALID", body, a.status, a.body)
		}
	}
	if a := c.put("app", "v1", make([]byte, maxManifest+1)); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a manifest larger than 4 MiB: %d", a.status)
	}
	// What was taken can be given.
	for _, m := range c.records.repos["app"] {
		c.want(c.do("GET", "/v2/app/manifests/"+m.Digest, nil), 200)
	}
}

// TestMalformedUploads: ranges, offsets, digests and states that can't be.
func TestMalformedUploads(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	for _, tt := range []struct {
		want   int
		header []string
	}{
		{416, []string{"Content-Range", "x"}},
		{416, []string{"Content-Range", ""}},
		{416, []string{"Content-Range", "0-"}},
		{416, []string{"Content-Range", "-3"}},
		{416, []string{"Content-Range", "-1-2"}},
		{416, []string{"Content-Range", "3-0"}},
		{416, []string{"Content-Range", "bytes 0-3/4"}},
		{416, []string{"Content-Range", "0-99999999999999999999999"}},
		{416, []string{"Content-Range", "4-7"}}, // not where it is
		{400, []string{"Content-Range", "0-4"}}, // five bytes; there are four
		{400, []string{"Content-Range", "0-999999999999999999"}},
		{400, []string{"Content-Type", "text/plain"}},
		{400, []string{"Content-Type", ";"}},
		{202, []string{"Content-Range", "0-3"}},
		{202, []string{"Content-Type", "application/octet-stream"}},
	} {
		for _, method := range []string{"PATCH", "PUT"} {
			if method == "PUT" && tt.header[0] == "Content-Type" {
				continue
			}
			start := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
			want, to := tt.want, c.location(start)
			if method == "PUT" {
				to = c.location(start, "digest", digest.FromString("four").String())
				want = map[bool]int{true: 201, false: want}[want == 202]
			}
			if a := c.do(method, to, []byte("four"), tt.header...); a.status != want {
				t.Errorf("%s with %q: %d %s, want %d", method, tt.header, a.status, a.body, want)
			}
		}
	}
	start := c.want(c.do("POST", "/v2/app/blobs/uploads/", nil), 202)
	here := c.location(start)
	path, state, _ := strings.Cut(here, "?")
	for _, to := range []string{
		path, path + "?_state=x", path + "?_state=", path + "?" + state[:len(state)/2], "/v2/app/blobs/uploads/x?" + state, "/v2/app/blobs/uploads/..?" + state,
		"/v2/app/blobs/uploads/00000000-0000-0000-0000-000000000000?" + state, here + "&digest=x", here + "&digest=sha256:x", here + "&digest=sha512:" + strings.Repeat("a", 128), here + "&digest=md5:" + strings.Repeat("a", 32),
		here + "&digest=sha256:" + strings.Repeat("A", 64), here + "&digest=:", here + "&digest=" + strings.Repeat("a", 5000), "/v2/app/blobs/uploads/?mount=x&from=app", "/v2/app/blobs/uploads/?mount=sha256:x&from=..",
		"/v2/app/blobs/uploads/?mount=" + digest.FromString("n").String() + "&from=app", "/v2/app/blobs/uploads/?digest=x",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X"} {
			if a := c.do(method, to, []byte("four")); a.status >= 500 {
				t.Errorf("%s %s: %d %s", method, to, a.status, a.body)
			}
		}
	}
}

// TestMalformedQuestions: paths, ranges and pages that can't be.
func TestMalformedQuestions(t *testing.T) {
	t.Parallel()
	c := open(t, "app")
	manifest, layer := c.push("app", "v1")
	blob, image := "/v2/app/blobs/"+layer.String(), "/v2/app/manifests/"+digest.FromBytes(manifest).String()
	for _, r := range []string{"x", "bytes=", "bytes=x", "bytes=-", "bytes=5-2", "bytes=-0", "bytes=99999999999-", "bytes=0-99999999999999999999", "bytes=" + strings.Repeat("0-0,", 2000) + "0-0", "bytes=--1"} {
		for _, to := range []string{blob, image} {
			if a := c.do("GET", to, nil, "Range", r); a.status >= 500 {
				t.Errorf("Range %.50q of %s: %d %s", r, to, a.status, a.body)
			}
		}
	}
	for _, list := range []string{"/v2/app/tags/list", "/v2/_catalog"} {
		for _, n := range []string{"-1", "x", "", "1.5", "99999999999999999999", "0x10", "1e3", "%00"} {
			if a := c.do("GET", list+"?n="+n, nil); a.status != 400 || a.code() != "PAGINATION_NUMBER_INVALID" {
				t.Errorf("%s?n=%s: %d %s, want 400 PAGINATION_NUMBER_INVALID", list, n, a.status, a.body)
			}
		}
		for _, last := range []string{"%ff", "%00", strings.Repeat("a", 10_000), "../..", "v1&last=v0"} {
			if a := c.do("GET", list+"?n=1&last="+last, nil); a.status != 200 {
				t.Errorf("%s?last=%.50s: %d %s", list, last, a.status, a.body)
			}
		}
	}
	refs := []string{"x", "..", ".", "%2e%2e", "sha256:", "sha256:x", ":", "sha256:" + strings.Repeat("g", 64), "sha512:" + strings.Repeat("a", 128), "md5:" + strings.Repeat("a", 32), strings.Repeat("a", 129), "a%00b", "%ff", "-a", "a:b:c", "@"}
	for _, what := range []string{"manifests", "blobs", "referrers", "tags"} {
		for _, ref := range refs {
			for _, method := range []string{"GET", "HEAD", "DELETE", "POST", "PUT", "PATCH", "X"} {
				if a := c.do(method, fmt.Sprintf("/v2/app/%s/%s", what, ref), nil); a.status >= 500 {
					t.Errorf("%s %s/%s: %d %s", method, what, ref, a.status, a.body)
				}
			}
		}
	}
	// ECR has no DELETE of a blob.
	if a := c.do("DELETE", blob, nil); a.status != 405 || a.code() != "UNSUPPORTED" {
		t.Errorf("DELETE of a blob: %d %s", a.status, a.body)
	}
}
