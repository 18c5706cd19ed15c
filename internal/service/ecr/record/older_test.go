package record

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// TestTagsApart: what 0.1.0 wrote is an image and its tags now.
func TestTagsApart(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	type image1 struct {
		Image
		Tags []string `json:",omitempty"`
	}
	first := store.NewTable("ecr-image",
		store.Index[image1]{Name: "tag", Values: func(i image1) []string { return prefixed(i.RepoID+":", i.Tags) }},
		store.Index[image1]{Name: "child", Values: func(i image1) []string { return prefixed(i.RepoID+"@", i.Children) }})
	image := Image{RepoID: "r", Repo: "app", Digest: "sha256:aa", MediaType: "application/vnd.oci.image.manifest.v1+json", Children: []string{"sha256:bb"}, Size: 7, ManifestSize: 3, PushedAt: at}
	err := db.Update(t.Context(), func(tx store.Tx) error {
		if err := RepositoryRows.Put(tx, "app", Repository{ID: "r", Name: "app"}); err != nil {
			return err
		}
		return first.Put(tx, image.Key(), image1{image, []string{"v2", "v1"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Upgrade(t.Context(), db, nil, Tables()...); err != nil {
		t.Fatal(err)
	}
	records, err := Open(t.Context(), db, arn.Namespace{Region: "us-west-2", Account: "111122223333"}, "127.0.0.1:4566")
	if err != nil {
		t.Fatal(err)
	}
	list, err := records.Images(t.Context(), "app")
	if diff := cmp.Diff([]Tagged{{image, []string{"v1", "v2"}}}, list); err != nil || diff != "" {
		t.Errorf("%v, images (-want +got):\n%s", err, diff)
	}
	if _, err := tagsApart("k", []byte("nonsense")); err == nil {
		t.Error("a record that can't be read became nothing")
	}
	next, err := tagsApart("k", []byte(`{"RepoID":"r","Digest":"sha256:aa"}`))
	var left map[string]any
	if err := json.Unmarshal(next.Record, &left); err != nil || left["Digest"] != "sha256:aa" || len(next.Others) != 0 {
		t.Errorf("an image without tags became %s and %d others: %v", next.Record, len(next.Others), err)
	}
	if err != nil {
		t.Error(err)
	}
}
