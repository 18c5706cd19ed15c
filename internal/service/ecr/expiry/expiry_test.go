package expiry

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

const host = "127.0.0.1:4566"

// world is a repository called app, its policies and the loop.
type world struct {
	*API
	*Applier
	t       *testing.T
	records *record.Records
	used    map[string]string
	db      *retried
	images  *ecr.API
}

func open(t *testing.T) *world {
	t.Helper()
	db, ns := &retried{DB: memstore.New()}, arn.Namespace{Region: "us-west-2", Account: "111122223333"}
	records, err := record.Open(t.Context(), db, ns, host)
	if err != nil {
		t.Fatal(err)
	}
	images := ecr.New(records, nil)
	w := &world{t: t, records: records, used: map[string]string{}, db: db, images: images}
	users := NewUsers(records, func(store.Tx) (map[string]string, error) { return w.used, nil })
	w.API, w.Applier = NewAPI(records, users), NewApplier(records, users, slog.New(slog.DiscardHandler))
	if _, err := images.CreateRepository(t.Context(), &sdk.CreateRepositoryInput{RepositoryName: new("app")}); err != nil {
		t.Fatal(err)
	}
	return w
}

// push pushes an image that is called by its first tag, or an index of other images.
func (w *world) push(name string, children []string, tags ...string) (dgst string) {
	w.t.Helper()
	dgst = digest.FromString(name).String()
	if err := w.records.Push(w.t.Context(), registry.Manifest{Repo: "app", Digest: dgst, Tags: tags, Children: children, PushedAt: time.Now()}); err != nil {
		w.t.Fatal(err)
	}
	return dgst
}

// left returns the tags that there are, and how many images.
func (w *world) left() (tags string, n int) {
	w.t.Helper()
	list, err := w.records.Images(w.t.Context(), "app")
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, img := range list {
		all = append(all, img.Tags...)
	}
	slices.Sort(all)
	return strings.Join(all, " "), len(list)
}

func fails(t *testing.T, err error, code, words string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %v, want %s: %s", err, code, words)
	}
}

// keepTwo is a policy that keeps two images.
const keepTwo = `{"rules":[{"rulePriority":1,"description":"keep two","selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}}]}`

func (w *world) put(ctx context.Context, text string) error {
	_, err := w.PutLifecyclePolicy(ctx, &sdk.PutLifecyclePolicyInput{RepositoryName: new("app"), LifecyclePolicyText: &text})
	return err
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	w := open(t)
	ctx, name := t.Context(), new("app")
	const there = "with name 'app' in the registry with id '111122223333'"
	_, err := w.GetLifecyclePolicy(ctx, &sdk.GetLifecyclePolicyInput{RepositoryName: name})
	fails(t, err, "LifecyclePolicyNotFoundException", "Lifecycle policy does not exist for the repository "+there)
	_, err = w.DeleteLifecyclePolicy(ctx, &sdk.DeleteLifecyclePolicyInput{RepositoryName: name})
	fails(t, err, "LifecyclePolicyNotFoundException", there)
	_, err = w.StartLifecyclePolicyPreview(ctx, &sdk.StartLifecyclePolicyPreviewInput{RepositoryName: name})
	fails(t, err, "LifecyclePolicyNotFoundException", there)
	_, err = w.GetLifecyclePolicyPreview(ctx, &sdk.GetLifecyclePolicyPreviewInput{RepositoryName: name})
	fails(t, err, "LifecyclePolicyPreviewNotFoundException", there)
	_, err = w.GetLifecyclePolicy(ctx, &sdk.GetLifecyclePolicyInput{RepositoryName: new("gone")})
	fails(t, err, "RepositoryNotFoundException", "The repository with name 'gone' does not exist in the registry with id '111122223333'")

	text := strings.Replace(keepTwo, "imageCountMoreThan", "whenever", 1)
	fails(t, w.put(ctx, text), "InvalidParameterException", "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: ")

	if err := w.put(ctx, keepTwo); err != nil {
		t.Fatal(err)
	}
	got, err := w.GetLifecyclePolicy(ctx, &sdk.GetLifecyclePolicyInput{RepositoryName: name})
	if err != nil || *got.LifecyclePolicyText != keepTwo || got.LastEvaluatedAt != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	gone, err := w.DeleteLifecyclePolicy(ctx, &sdk.DeleteLifecyclePolicyInput{RepositoryName: name})
	if err != nil || *gone.LifecyclePolicyText != keepTwo {
		t.Errorf("got %+v, %v", gone, err)
	}
}

// A policy is applied at once, and every hour; what is in use stays.
func TestApply(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		for _, tag := range []string{"v1", "v2", "v3", "v4", "v5"} {
			w.push(tag, nil, tag)
			time.Sleep(time.Minute)
		}
		w.used[host+"/app:v1"] = "service web"
		w.used["127.0.0.1:9/app:v2"] = "nobody here"
		w.used[host+"/other:v2"] = "nobody of this repository"
		w.used[host+"/app@"+digest.FromString("v3").String()] = "task 1"
		if err := w.put(t.Context(), keepTwo); err != nil {
			t.Fatal(err)
		}
		apply := func(want string, wait time.Duration) {
			t.Helper()
			again, err := w.Reconcile(t.Context(), "app")
			if tags, _ := w.left(); err != nil || tags != want || again != wait {
				t.Errorf("%s is left, %v, again in %v; want %s and %v", tags, err, again, want, wait)
			}
		}
		time.Sleep(time.Second)
		apply("v1 v3 v4 v5", time.Hour)
		w.push("v6", nil, "v6")
		time.Sleep(time.Minute)
		apply("v1 v3 v4 v5 v6", 59*time.Minute)
		delete(w.used, host+"/app:v1")
		time.Sleep(59 * time.Minute)
		apply("v3 v5 v6", time.Hour)
		got, err := w.GetLifecyclePolicy(t.Context(), &sdk.GetLifecyclePolicyInput{RepositoryName: new("app")})
		if err != nil || time.Since(*got.LastEvaluatedAt) > time.Second {
			t.Errorf("got %+v, %v", got, err)
		}
		clear(w.used)
		time.Sleep(time.Minute)
		if err := w.put(t.Context(), strings.Replace(keepTwo, ":2}", ":1}", 1)); err != nil { // a new one
			t.Fatal(err)
		}
		apply("v6", time.Hour)
	})
}

// An index goes before its images, and stays while one of them is in use.
func TestIndexes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		arm, amd := w.push("arm", nil), w.push("amd", nil)
		w.push("index", []string{arm, amd}, "index")
		time.Sleep(time.Minute)
		w.push("a", nil, "a")
		w.push("b", nil, "b")
		time.Sleep(time.Minute)
		w.used[host+"/app@"+arm] = "task 1"
		if err := w.put(t.Context(), keepTwo); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{5, 4, 2} { // the index is used, goes, and its images after it
			time.Sleep(time.Hour)
			if _, err := w.Reconcile(t.Context(), "app"); err != nil {
				t.Fatal(err)
			}
			if tags, n := w.left(); n != want {
				t.Errorf("%d images are left, %s; want %d", n, tags, want)
			}
			clear(w.used)
		}
	})
}

func TestPreview(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		ctx, name := t.Context(), new("app")
		for _, tag := range []string{"v1", "v2", "v3", "v4", "v5"} {
			w.push(tag, nil, tag)
			time.Sleep(time.Minute)
		}
		w.used[host+"/app:v2"] = "service web"
		started, err := w.StartLifecyclePolicyPreview(ctx, &sdk.StartLifecyclePolicyPreviewInput{RepositoryName: name, LifecyclePolicyText: new(keepTwo)})
		if err != nil || started.Status != types.LifecyclePolicyPreviewStatusInProgress {
			t.Fatalf("got %+v, %v", started, err)
		}
		get := func(in sdk.GetLifecyclePolicyPreviewInput, want ...string) (next *string) {
			t.Helper()
			in.RepositoryName = name
			out, err := w.GetLifecyclePolicyPreview(ctx, &in)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range out.PreviewResults {
				got = append(got, r.ImageTags...)
				if r.Action.Type != types.ImageActionTypeExpire || *r.AppliedRulePriority != 1 || r.ImagePushedAt == nil {
					t.Errorf("a result is %+v", r)
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) || *out.Summary.ExpiringImageTotalCount != 2 || out.Status != types.LifecyclePolicyPreviewStatusComplete {
				t.Errorf("got %v of %d, %s; want %v", got, *out.Summary.ExpiringImageTotalCount, out.Status, want)
			}
			return out.NextToken
		}
		get(sdk.GetLifecyclePolicyPreviewInput{}, "v1", "v3")
		get(sdk.GetLifecyclePolicyPreviewInput{ImageIds: []types.ImageIdentifier{{ImageTag: new("v3")}, {ImageTag: new("v5")}}}, "v3")
		get(sdk.GetLifecyclePolicyPreviewInput{Filter: &types.LifecyclePolicyPreviewFilter{TagStatus: types.TagStatusUntagged}})
		out, err := w.GetLifecyclePolicyPreview(ctx, &sdk.GetLifecyclePolicyPreviewInput{RepositoryName: name, MaxResults: new(int32(1))})
		if err != nil || len(out.PreviewResults) != 1 || out.NextToken == nil {
			t.Fatalf("got %+v, %v", out, err)
		}
		if rest, err := w.GetLifecyclePolicyPreview(ctx, &sdk.GetLifecyclePolicyPreviewInput{RepositoryName: name, MaxResults: new(int32(1)), NextToken: out.NextToken}); err != nil || len(rest.PreviewResults) != 1 || rest.NextToken != nil {
			t.Errorf("got %+v, %v", rest, err)
		}
		if tags, _ := w.left(); tags != "v1 v2 v3 v4 v5" {
			t.Errorf("a preview left %s", tags)
		}
	})
}

// retried is a store before whose changes something else happens.
type retried struct {
	store.DB
	before func()
}

func (db *retried) Update(ctx context.Context, do func(store.Tx) error) error {
	if before := db.before; before != nil {
		db.before = nil
		before()
	}
	return db.DB.Update(ctx, do)
}

// What changes between the look and the deletion counts: the image stays.
func TestMeanwhile(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world){
		"a task needs it":   func(w *world) { w.used[host+"/app:v1"] = "task 1" },
		"it has a new tag":  func(w *world) { w.push("v1", nil, "latest") },
		"the policy is new": func(w *world) { _ = w.put(w.t.Context(), strings.Replace(keepTwo, ":2}", ":9}", 1)) },
		"the repository is new": func(w *world) {
			if _, err := w.images.DeleteRepository(w.t.Context(), &sdk.DeleteRepositoryInput{RepositoryName: new("app"), Force: true}); err != nil {
				w.t.Error(err)
			}
			if _, err := w.images.CreateRepository(w.t.Context(), &sdk.CreateRepositoryInput{RepositoryName: new("app")}); err != nil {
				w.t.Error(err)
			}
			w.push("v1", nil, "v1")
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := open(t)
			for _, tag := range []string{"v1", "v2", "v3"} {
				w.push(tag, nil, tag)
				time.Sleep(time.Minute)
			}
			if err := w.put(t.Context(), keepTwo); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			w.db.before = func() { time.Sleep(time.Second); change(w) }
			if _, err := w.Reconcile(t.Context(), "app"); err != nil {
				t.Error(err)
			}
			if tags, _ := w.left(); !strings.Contains(tags, "v1") {
				t.Errorf("%s: %q is left", name, tags)
			}
		})
	}
}
