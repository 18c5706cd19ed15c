package ecs_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// TestTagsAsMap: until version 2 a record had a list of tags.
func TestTagsAsMap(t *testing.T) {
	t.Parallel()
	type tag struct{ Key, Value string }
	type cluster1 struct {
		Name string
		Tags []tag
	}
	old := store.NewTable[cluster1]("ecs-cluster")
	db := memstore.New()
	defer db.Close()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(
			old.Put(tx, "a", cluster1{"a", []tag{{"team", "web"}, {"b", ""}}}), old.Put(tx, "b", cluster1{"b", []tag{}}), old.Put(tx, "c", cluster1{"c", nil}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Upgrade(t.Context(), db, nil, ecs.Tables()...); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx store.Tx) error {
		got, err := ecs.Clusters.List(tx, "")
		want := []ecs.Cluster{{Name: "a", Tags: map[string]string{"team": "web", "b": ""}}, {Name: "b", Tags: map[string]string{}}, {Name: "c"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("clusters (-want +got):\n%s", diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
