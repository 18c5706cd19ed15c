package layers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/registry/parts"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecr/link"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store/memstore"
)

// world is the API over a real registry, whose files outlive a restart.
type world struct {
	*API
	t       *testing.T
	root    string
	records *record.Records
	images  *ecr.API
	reg     *registry.Registry
}

func open(t *testing.T) *world {
	t.Helper()
	records, err := record.Open(t.Context(), memstore.New(), arn.Namespace{Region: "us-west-2", Account: "111122223333"}, "127.0.0.1:4566")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, root: t.TempDir(), records: records}
	w.start()
	for _, name := range []string{"app", "other"} {
		if _, err := w.images.CreateRepository(t.Context(), &sdk.CreateRepositoryInput{RepositoryName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) start() {
	w.t.Helper()
	reg, err := registry.New(w.t.Context(), registry.Config{Root: w.root, Records: w.records, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.reg, w.images, w.API = reg, ecr.New(w.records, reg), New(w.records, w.records, reg, link.New("127.0.0.1:4566", w.records))
}

func (w *world) begin() string {
	w.t.Helper()
	out, err := w.InitiateLayerUpload(w.t.Context(), &sdk.InitiateLayerUploadInput{RepositoryName: new("app")})
	if err != nil || *out.PartSize != 10<<20 {
		w.t.Fatalf("got %+v: %v", out, err)
	}
	return *out.UploadId
}

func (w *world) send(id string, first int64, part []byte) error {
	out, err := w.UploadLayerPart(w.t.Context(), &sdk.UploadLayerPartInput{
		RepositoryName: new("app"), UploadId: &id, PartFirstByte: &first, PartLastByte: new(first + int64(len(part)) - 1), LayerPartBlob: part,
	})
	if err == nil && *out.LastByteReceived != first+int64(len(part))-1 {
		w.t.Errorf("got %+v", out)
	}
	return err
}

func (w *world) finish(id string, digests ...string) error {
	_, err := w.CompleteLayerUpload(w.t.Context(), &sdk.CompleteLayerUploadInput{RepositoryName: new("app"), UploadId: &id, LayerDigests: digests})
	return err
}

// layer uploads one in a single part.
func (w *world) layer(content []byte) v1.Descriptor {
	w.t.Helper()
	id, d := w.begin(), digest.FromBytes(content)
	if err := w.send(id, 0, content); err != nil {
		w.t.Fatal(err)
	}
	if err := w.finish(id, d.String()); err != nil {
		w.t.Fatal(err)
	}
	return v1.Descriptor{MediaType: v1.MediaTypeImageLayerGzip, Digest: d, Size: int64(len(content))}
}

func (w *world) put(manifest, tag string) (*types.Image, error) {
	in := &sdk.PutImageInput{RepositoryName: new("app"), ImageManifest: &manifest}
	if tag != "" {
		in.ImageTag = &tag
	}
	out, err := w.PutImage(w.t.Context(), in)
	if err != nil {
		return nil, err
	}
	return out.Image, nil
}

func manifestOf(config, layer v1.Descriptor) string {
	return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		v1.MediaTypeImageManifest, v1.MediaTypeImageConfig, config.Digest, config.Size, layer.MediaType, layer.Digest, layer.Size)
}

func fails(t *testing.T, err error, code, words string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %v, want %s: %s", err, code, words)
	}
}

// TestPushByTheAPI pushes an image in parts, over a restart, and downloads its layer by a link.
func TestPushByTheAPI(t *testing.T) {
	t.Parallel()
	w := open(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), (2*parts.MinPart+100)/16)
	d := digest.FromBytes(content).String()
	id := w.begin()
	if err := w.send(id, 0, content[:parts.MinPart]); err != nil {
		t.Fatal(err)
	}
	w.start()
	if err := w.send(id, parts.MinPart, content[parts.MinPart:2*parts.MinPart]); err != nil {
		t.Fatal(err)
	}
	if err := w.send(id, 2*parts.MinPart, content[2*parts.MinPart:]); err != nil {
		t.Fatal(err)
	}
	if err := w.finish(id, d); err != nil {
		t.Fatal(err)
	}
	checked, err := w.BatchCheckLayerAvailability(t.Context(), &sdk.BatchCheckLayerAvailabilityInput{RepositoryName: new("app"), LayerDigests: []string{d, digest.FromString("absent").String(), "", "sha512:ab"}})
	if err != nil || len(checked.Layers) != 2 || len(checked.Failures) != 2 || checked.Layers[0].LayerAvailability != types.LayerAvailabilityAvailable || *checked.Layers[0].LayerSize != int64(len(content)) ||
		checked.Layers[1].LayerAvailability != types.LayerAvailabilityUnavailable || checked.Failures[0].FailureCode != types.LayerFailureCodeMissingLayerDigest || checked.Failures[1].FailureCode != types.LayerFailureCodeInvalidLayerDigest {
		t.Fatalf("got %+v: %v", checked, err)
	}
	layer := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.Digest(d), Size: int64(len(content))}
	manifest := manifestOf(w.layer([]byte("{}")), layer)
	img, err := w.put(manifest, "v1")
	if err != nil || *img.ImageId.ImageDigest != digest.FromString(manifest).String() {
		t.Fatalf("got %+v: %v", img, err)
	}
	got, err := w.images.BatchGetImage(t.Context(), &sdk.BatchGetImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v1")}}})
	if err != nil || len(got.Images) != 1 || *got.Images[0].ImageManifest != manifest {
		t.Errorf("got %+v: %v", got, err)
	}
	link, err := w.GetDownloadUrlForLayer(t.Context(), &sdk.GetDownloadUrlForLayerInput{RepositoryName: new("app"), LayerDigest: &d})
	if err != nil {
		t.Fatal(err)
	}
	if body, status := w.download(*link.DownloadUrl); status != 200 || !bytes.Equal(body, content) {
		t.Errorf("status %d, %d bytes", status, len(body))
	}
	for _, bad := range []string{strings.Replace(*link.DownloadUrl, "expires=", "expires=1", 1), strings.Replace(*link.DownloadUrl, "/app/", "/other/", 1), strings.Split(*link.DownloadUrl, "?")[0]} {
		if _, status := w.download(bad); status != 403 {
			t.Errorf("%s: status %d", bad, status)
		}
	}
	if _, err := w.images.DeleteRepository(t.Context(), &sdk.DeleteRepositoryInput{RepositoryName: new("app"), Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, status := w.download(*link.DownloadUrl); status != 404 {
		t.Errorf("of a repository that is gone: status %d", status)
	}
}

// download asks the registry as the daemon does.
func (w *world) download(url string) ([]byte, int) {
	req, rec := httptest.NewRequest(http.MethodGet, url, nil), httptest.NewRecorder()
	repo, dgst, _, err := link.New("127.0.0.1:4566", w.records).Check(req)
	if err != nil {
		w.reg.Refuse(rec, req, err)
	} else {
		w.reg.ServeLayer(rec, req, repo, dgst)
	}
	return rec.Body.Bytes(), rec.Code
}

func TestUploadsRefuse(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := w.begin()
	small := []byte("small")
	d := digest.FromBytes(append(small, small...)).String()
	fails(t, w.finish(id, d), "EmptyUploadException", "")
	fails(t, w.send(id, 1, small), "InvalidLayerPartException", "must be 0")
	if err := w.send(id, 0, small); err != nil {
		t.Fatal(err)
	}
	err := w.send(id, 0, small)
	fails(t, err, "InvalidLayerPartException", "must be 5")
	if e, ok := errors.AsType[*types.InvalidLayerPartException](err); !ok || *e.LastValidByteReceived != 4 || *e.UploadId != id {
		t.Errorf("got %+v", e)
	}
	_, err = w.UploadLayerPart(t.Context(), &sdk.UploadLayerPartInput{RepositoryName: new("app"), UploadId: &id, PartFirstByte: new(int64(5)), PartLastByte: new(int64(10)), LayerPartBlob: small})
	fails(t, err, "InvalidLayerPartException", "has 5 bytes")
	fails(t, w.finish(id, digest.FromString("other").String()), "InvalidLayerException", "")
	if err := w.send(id, 5, small); err != nil {
		t.Fatal(err)
	}
	fails(t, w.finish(id, d), "LayerPartTooSmallException", "All layer parts except the last part should be at least 5MB")
	gone := "01234567-0123-0123-0123-0123456789ab"
	fails(t, w.send(gone, 0, small), "UploadNotFoundException", gone)
	fails(t, w.finish(gone, d), "UploadNotFoundException", gone)
	fails(t, w.finish(id, "sha512:ab"), "InvalidParameterException", "sha256")
	layer := w.layer(small)
	again := w.begin()
	if err := w.send(again, 0, small); err != nil {
		t.Fatal(err)
	}
	fails(t, w.finish(again, layer.Digest.String()), "LayerAlreadyExistsException", layer.Digest.String())
	fails(t, w.finish(again, layer.Digest.String()), "LayerAlreadyExistsException", "") // as who lost the answer hears
	_, err = w.GetDownloadUrlForLayer(t.Context(), &sdk.GetDownloadUrlForLayerInput{RepositoryName: new("other"), LayerDigest: new(layer.Digest.String())})
	fails(t, err, "LayersNotFoundException", "does not exist within the repository with name 'other'")
	_, err = w.InitiateLayerUpload(t.Context(), &sdk.InitiateLayerUploadInput{RepositoryName: new("gone")})
	fails(t, err, "RepositoryNotFoundException", "'gone'")
	large := &sdk.UploadLayerPartInput{RepositoryName: new("app"), UploadId: &id, PartFirstByte: new(int64(0)), PartLastByte: new(int64(parts.MaxPart)), LayerPartBlob: make([]byte, parts.MaxPart+1)}
	_, err = w.UploadLayerPart(t.Context(), large)
	fails(t, err, "InvalidParameterException", "layerPartBlob")
}

func TestPutImageRefuses(t *testing.T) {
	t.Parallel()
	w := open(t)
	config, layer := w.layer([]byte("{}")), w.layer([]byte("layer"))
	absent := v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: digest.FromString("absent"), Size: 6}
	_, err := w.put(manifestOf(config, absent), "v1")
	fails(t, err, "LayersNotFoundException", "Layers with digests '["+absent.Digest.String()+"]' required for pushing image into repository with name 'app' in the registry with id '111122223333' do not exist")
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":6}]}`, v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, absent.Digest)
	_, err = w.put(index, "v1")
	fails(t, err, "ReferencedImagesNotFoundException", absent.Digest.String())
	wrong := config
	wrong.Size++
	_, err = w.put(manifestOf(wrong, layer), "v1")
	fails(t, err, "InvalidParameterException", "'ImageManifest'")
	good := manifestOf(config, layer)
	if _, err := w.put(good, "v1"); err != nil {
		t.Fatal(err)
	}
	_, err = w.put(good, "v1")
	fails(t, err, "ImageAlreadyExistsException", "Image with digest '"+digest.FromString(good).String()+"' and tag 'v1' already exists in the repository with name 'app' in registry with id '111122223333'")
	_, err = w.put(good, "")
	fails(t, err, "ImageAlreadyExistsException", "' already exists")
	if _, err := w.put(good, "v2"); err != nil {
		t.Errorf("a second tag: %v", err)
	}
	if _, err := w.images.PutImageTagMutability(t.Context(), &sdk.PutImageTagMutabilityInput{RepositoryName: new("app"), ImageTagMutability: types.ImageTagMutabilityImmutable}); err != nil {
		t.Fatal(err)
	}
	_, err = w.put(manifestOf(layer, config), "v1")
	fails(t, err, "ImageTagAlreadyExistsException", "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten because the tag is immutable.")
	for in, words := range map[*sdk.PutImageInput]string{
		{ImageManifest: new("{")}:                                                   "Invalid JSON syntax",
		{ImageManifest: new(`{"schemaVersion":2}`)}:                                 "'imageManifestMediaType': it must be there",
		{ImageManifest: &good, ImageManifestMediaType: new(v1.MediaTypeImageIndex)}: "has the mediaType",
		{ImageManifest: new(`{"mediaType":"text/plain"}`)}:                          "enum value set",
		{ImageManifest: &good, ImageTag: new("-no")}:                                "'imageTag'",
	} {
		in.RepositoryName = new("app")
		_, err := w.PutImage(t.Context(), in)
		fails(t, err, "InvalidParameterException", words)
	}
	_, err = w.PutImage(t.Context(), &sdk.PutImageInput{RepositoryName: new("app"), ImageManifest: &good, ImageDigest: new(absent.Digest.String())})
	fails(t, err, "ImageDigestDoesNotMatchException", absent.Digest.String())
}

// TestPartsAtOnce: of many who send the same part, one is taken.
func TestPartsAtOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	id := w.begin()
	part := bytes.Repeat([]byte("x"), 1<<16)
	var wg sync.WaitGroup
	taken := make(chan error, 20)
	for range cap(taken) {
		wg.Go(func() { taken <- w.send(id, 0, part) })
	}
	wg.Wait()
	close(taken)
	n := 0
	for err := range taken {
		if err == nil {
			n++
			continue
		}
		fails(t, err, "InvalidLayerPartException", "must be 65536")
	}
	if n != 1 {
		t.Errorf("%d were taken", n)
	}
	if err := w.finish(id, digest.FromBytes(part).String()); err != nil {
		t.Error(err)
	}
}

// full is a registry whose disk has no room.
type full struct{ blobs }

func (full) Upload(context.Context, string, string, int64, []byte) error { return parts.ErrDiskFull }

func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.API = New(w.records, w.records, full{w.reg}, nil)
	fails(t, w.send(w.begin(), 0, []byte("x")), "ServerException", "no space left on the registry's disk")
}
