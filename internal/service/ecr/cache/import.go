package cache

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/registry/manifest"
	"github.com/skylift/skylift/internal/registry/upstream"
)

// importTime is how long an image may take to come, with all its layers; layerTime is it for one layer.
const (
	importTime = 3 * time.Hour
	layerTime  = time.Hour
)

// job is an image that is imported. An image is served from the first moment: what isn't here yet is fetched when it is asked for. So
// a job that is lost in a crash begins again at the next pull.
type job struct {
	repo   string
	tag    string // "": it has none
	remote *upstream.Remote
	desc   v1.Descriptor
}

// keys are what a job is found by.
func (j *job) keys() (keys []string) {
	keys = []string{j.repo + "@" + j.desc.Digest.String()}
	if j.tag != "" {
		keys = append(keys, j.repo+":"+j.tag)
	}
	return keys
}

// underway returns the import of an image, if there is one.
func (a *API) underway(name, ref string) (*job, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	j, ok := a.pending[name+":"+ref]
	if !ok {
		j, ok = a.pending[name+"@"+ref]
	}
	return j, ok
}

// begin has an image imported, unless it is already. With too many that wait, the next pull has it imported.
func (a *API) begin(j *job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	keys := j.keys()
	if _, already := a.pending[keys[len(keys)-1]]; already {
		return
	}
	select {
	case a.jobs <- j:
		for _, k := range keys {
			a.pending[k] = j
		}
	default:
		a.log.Warn("an image is not kept, since too many are imported", "key", j.repo, "image", j.desc.Digest)
	}
}

func (a *API) end(j *job) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range j.keys() {
		if a.pending[k] == j {
			delete(a.pending, k)
		}
	}
}

// Run imports images until ctx ends.
func (a *API) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range importers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case j := <-a.jobs:
					a.run(ctx, j)
				}
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

func (a *API) run(ctx context.Context, j *job) {
	defer a.end(j)
	ctx, stop := context.WithTimeout(ctx, importTime)
	defer stop()
	if err := a.bring(ctx, j, 0); err != nil {
		a.log.Error("import an image", "key", j.repo, "image", j.desc.Digest, "err", err)
		return
	}
	a.log.Info("an image was imported from an upstream registry", "key", j.repo, "image", j.desc.Digest, "tag", j.tag)
}

// bring imports an image: of an index, all its images first.
func (a *API) bring(ctx context.Context, j *job, depth int) error {
	body, err := j.remote.Manifest(ctx, j.desc)
	if err != nil {
		return err
	}
	m, err := manifest.Read(body)
	if err != nil {
		return err
	}
	if len(m.Manifests) > mostImages || depth > 2 {
		return fmt.Errorf("the index has %d images, %d deep: at most %d are imported", len(m.Manifests), depth, mostImages)
	}
	for _, child := range m.Manifests {
		if err := a.bring(ctx, &job{repo: j.repo, remote: j.remote, desc: child}, depth+1); err != nil {
			return err
		}
	}
	for _, b := range m.Blobs() {
		if len(b.URLs) > 0 {
			continue // it lies elsewhere
		}
		if err := a.layer(ctx, j.repo, j.remote, b.Digest); err != nil {
			return err
		}
	}
	_, err = a.content.Put(ctx, registry.Pushed{Repo: j.repo, Tag: j.tag, MediaType: j.desc.MediaType, Body: body}, a.records.Push)
	if err != nil || j.tag == "" {
		return err
	}
	return a.records.Checked(ctx, j.repo, j.tag, j.desc.Digest.String(), time.Now())
}

// layer fetches a layer, unless it is here.
func (a *API) layer(ctx context.Context, name string, remote *upstream.Remote, dgst digest.Digest) error {
	_, err := once(ctx, a, "layer "+name+" "+dgst.String(), func(ctx context.Context) (struct{}, error) {
		ctx, stop := context.WithTimeout(ctx, layerTime)
		defer stop()
		select {
		case a.layers <- struct{}{}:
			defer func() { <-a.layers }()
		case <-ctx.Done():
			return struct{}{}, ctx.Err()
		}
		_, there, err := a.content.Layer(ctx, name, dgst)
		if err != nil || there {
			return struct{}{}, err
		}
		return struct{}{}, remote.Blob(ctx, dgst, func(r io.Reader) error { return a.content.Receive(ctx, name, dgst, r) })
	})
	return err
}
