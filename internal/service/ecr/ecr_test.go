package ecr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

var ns = arn.Namespace{Region: "us-west-2", Account: "111122223333"}

const host = "127.0.0.1:4566"

// stored stands for the registry: every manifest's content is its digest.
type stored struct{}

func (stored) Manifest(_ context.Context, _, digest string) ([]byte, string, error) {
	return []byte(digest), "", nil
}

func open(t *testing.T) *API {
	t.Helper()
	records, err := record.Open(t.Context(), memstore.New(), ns, host)
	if err != nil {
		t.Fatal(err)
	}
	return New(records, stored{})
}

func (a *API) create(t *testing.T, name string) *types.Repository {
	t.Helper()
	out, err := a.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return out.Repository
}

const imageType = "application/vnd.oci.image.manifest.v1+json"

// push records a manifest made of content, and returns its digest.
func (a *API) push(t *testing.T, repo, content string, tags ...string) string {
	t.Helper()
	d := digest.FromString(content).String()
	m := registry.Manifest{Repo: repo, Digest: d, Tags: tags, MediaType: imageType, Size: int64(len(content)), PushedAt: time.Now()}
	if err := a.records.Push(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return d
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), message) {
		t.Errorf("got %v, want %s: %s", err, code, message)
	}
}

func TestCreateRepository(t *testing.T) {
	t.Parallel()
	a := open(t)
	got := a.create(t, "team/app")
	want := &types.Repository{
		CreatedAt:                  got.CreatedAt,
		EncryptionConfiguration:    &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256},
		ImageScanningConfiguration: &types.ImageScanningConfiguration{},
		ImageTagMutability:         types.ImageTagMutabilityMutable,
		RegistryId:                 new("111122223333"),
		RepositoryArn:              new("arn:aws:ecr:us-west-2:111122223333:repository/team/app"),
		RepositoryName:             new("team/app"),
		RepositoryUri:              new("127.0.0.1:4566/team/app"),
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(types.Repository{}, types.EncryptionConfiguration{}, types.ImageScanningConfiguration{})); diff != "" || time.Since(*got.CreatedAt) > time.Minute {
		t.Error(diff)
	}
	_, err := a.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: new("team/app")})
	wantError(t, err, "RepositoryAlreadyExistsException", "The repository with name 'team/app' already exists in the registry with id '111122223333'")
}

const codeInvalid = "InvalidParameterException"

func TestCreateRepositoryRefuses(t *testing.T) {
	t.Parallel()
	a := open(t)
	name := new("app")
	tests := []struct {
		in      ecr.CreateRepositoryInput
		code    string
		message string
	}{
		{ecr.CreateRepositoryInput{}, codeInvalid, "'repositoryName' failed to satisfy constraint: 'must have length greater than or equal to 2'"},
		{ecr.CreateRepositoryInput{RepositoryName: new("a")}, codeInvalid, "greater than or equal to 2"},
		{ecr.CreateRepositoryInput{RepositoryName: new(strings.Repeat("a", 257))}, codeInvalid, "less than or equal to 256"},
		{ecr.CreateRepositoryInput{RepositoryName: new("App")}, codeInvalid, "'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '"},
		{ecr.CreateRepositoryInput{RepositoryName: new("app/")}, codeInvalid, "regular expression"},
		{ecr.CreateRepositoryInput{RepositoryName: new("../app")}, codeInvalid, "regular expression"},
		{ecr.CreateRepositoryInput{RepositoryName: name, RegistryId: new("999999999999")}, codeInvalid, "registryId"},
		{ecr.CreateRepositoryInput{RepositoryName: name, ImageTagMutability: "NEVER"}, codeInvalid, "imageTagMutability"},
		{ecr.CreateRepositoryInput{RepositoryName: name, ImageTagMutability: types.ImageTagMutabilityImmutableWithExclusion}, codeInvalid, "takes 1 to 5 of them"},
		{ecr.CreateRepositoryInput{RepositoryName: name, ImageTagMutability: types.ImageTagMutabilityMutableWithExclusion, ImageTagMutabilityExclusionFilters: exclude("a", "b", "c", "d", "e", "f")}, codeInvalid, "takes 1 to 5 of them"},
		{ecr.CreateRepositoryInput{RepositoryName: name, ImageTagMutability: types.ImageTagMutabilityMutableWithExclusion, ImageTagMutabilityExclusionFilters: exclude("a*b*c*")}, codeInvalid, "at most two wildcards"},
		{ecr.CreateRepositoryInput{RepositoryName: name, ImageTagMutability: types.ImageTagMutabilityImmutable, ImageTagMutabilityExclusionFilters: exclude("a")}, codeInvalid, "there are none without"},
		{ecr.CreateRepositoryInput{RepositoryName: name, EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeKms}}, codeInvalid, "encryptionType"},
		{ecr.CreateRepositoryInput{RepositoryName: name, EncryptionConfiguration: &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256, KmsKey: new("k")}}, codeInvalid, "kmsKey"},
		{ecr.CreateRepositoryInput{RepositoryName: name, ImageTagMutability: types.ImageTagMutabilityImmutableWithExclusion, ImageTagMutabilityExclusionFilters: make([]types.ImageTagMutabilityExclusionFilter, 1)}, codeInvalid, "imageTagMutabilityExclusionFilters.filterType"},
		{ecr.CreateRepositoryInput{RepositoryName: name, Tags: []types.Tag{{Key: new("aws:x"), Value: new("y")}}}, "InvalidTagParameterException", "aws:x"},
	}
	for _, tt := range tests {
		err := wiretest.Refusal(t, "ecr", a.Operations(), &tt.in)
		if err == nil {
			_, err = a.CreateRepository(t.Context(), &tt.in)
		}
		wantError(t, err, tt.code, tt.message)
	}
}

func TestDescribeRepositoriesPages(t *testing.T) {
	t.Parallel()
	a := open(t)
	for _, name := range []string{"cc", "aa", "bb", "aa/x"} {
		a.create(t, name)
	}
	var got []string
	in := &ecr.DescribeRepositoriesInput{MaxResults: new(int32(3))}
	for pages := 0; ; pages++ {
		out, err := a.DescribeRepositories(t.Context(), in)
		if err != nil || pages > 1 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, r := range out.Repositories {
			got = append(got, *r.RepositoryName)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if diff := cmp.Diff([]string{"aa", "aa/x", "bb", "cc"}, got); diff != "" {
		t.Error(diff)
	}
	out, err := a.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"cc", "aa"}})
	if err != nil || len(out.Repositories) != 2 || *out.Repositories[0].RepositoryName != "cc" {
		t.Errorf("got %+v: %v", out, err)
	}
	_, err = a.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"gone"}})
	wantError(t, err, "RepositoryNotFoundException", "The repository with name 'gone' does not exist in the registry with id '111122223333'")
	_, err = a.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"aa"}, RegistryId: new("999999999999")})
	wantError(t, err, "RepositoryNotFoundException", "does not exist in the registry with id '999999999999'")
	_, err = a.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{MaxResults: new(int32(1001))})
	wantError(t, err, codeInvalid, "'maxResults'")
	_, err = a.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{NextToken: new("!")})
	wantError(t, err, codeInvalid, "'nextToken'")
}

func TestDeleteRepository(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	for i := range 3 * record.Piece {
		a.push(t, "app", fmt.Sprint(i), fmt.Sprintf("t%d", i))
	}
	_, err := a.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: new("app")})
	wantError(t, err, "RepositoryNotEmptyException", "The repository with name 'app' in registry with id '111122223333' cannot be deleted because it still contains images")
	out, err := a.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: new("app"), Force: true})
	if err != nil || *out.Repository.RepositoryName != "app" {
		t.Fatalf("got %+v: %v", out, err)
	}
	_, err = a.DeleteRepository(t.Context(), &ecr.DeleteRepositoryInput{RepositoryName: new("app")})
	wantError(t, err, "RepositoryNotFoundException", "'app'")
	a.create(t, "app")
	list, err := a.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: new("app")})
	if err != nil || len(list.ImageIds) != 0 {
		t.Errorf("a namesake has the images of a deleted repository: %+v %v", list, err)
	}
}

// A process that was killed in the middle of DeleteRepository left images.
func TestSweepAtStart(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "gone")
	a.create(t, "kept")
	for i := range 2 * record.Piece {
		a.push(t, "gone", fmt.Sprint(i), "latest")
	}
	kept := a.push(t, "kept", "content", "latest")
	ctx, db := t.Context(), a.records.DB
	if err := db.Update(ctx, func(tx store.Tx) error { return record.RepositoryRows.Delete(tx, "gone") }); err != nil {
		t.Fatal(err)
	}
	db.(*memstore.DB).Fill(true) // it was to free a full disk
	if _, err := record.Open(ctx, db, ns, host); err != nil {
		t.Fatal(err)
	}
	var left []record.Image
	err := db.View(ctx, func(tx store.Tx) (err error) {
		left, err = record.ImageRows.List(tx, "")
		return err
	})
	if err != nil || len(left) != 1 || left[0].Digest != kept {
		t.Errorf("got %+v: %v, want only the image of the other repository", left, err)
	}
}

func TestPushMovesTags(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	first := a.push(t, "app", "first", "latest")
	a.push(t, "app", "first", "v1")
	second := a.push(t, "app", "second", "latest")
	a.push(t, "app", "third")
	if got, err := a.records.Resolve(t.Context(), "app", "latest"); err != nil || got != second {
		t.Errorf("got %s: %v, want %s", got, err, second)
	}
	if got, err := a.records.Resolve(t.Context(), "app", "v1"); err != nil || got != first {
		t.Errorf("got %s: %v, want %s", got, err, first)
	}
	list := func(f *types.ListImagesFilter) (n int) {
		out, err := a.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: new("app"), Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.ImageIds)
	}
	for _, tt := range []struct {
		filter *types.ListImagesFilter
		want   int
	}{
		{nil, 3},
		{&types.ListImagesFilter{TagStatus: types.TagStatusAny}, 3},
		{&types.ListImagesFilter{TagStatus: types.TagStatusTagged}, 2},
		{&types.ListImagesFilter{TagStatus: types.TagStatusUntagged}, 1},
		{&types.ListImagesFilter{ImageStatus: types.ImageStatusFilterActive}, 3},
		{&types.ListImagesFilter{ImageStatus: types.ImageStatusFilterArchived}, 0},
	} {
		if got := list(tt.filter); got != tt.want {
			t.Errorf("filter %+v: got %d images, want %d", tt.filter, got, tt.want)
		}
	}
}

func TestListImagesPages(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	for i := range 5 {
		a.push(t, "app", fmt.Sprint(i), fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))
	}
	seen := map[string]bool{}
	in := &ecr.ListImagesInput{RepositoryName: new("app"), MaxResults: new(int32(3))}
	for range 4 {
		out, err := a.ListImages(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range out.ImageIds {
			seen[*id.ImageTag] = true
		}
		in.NextToken = out.NextToken
	}
	if len(seen) != 10 || in.NextToken != nil {
		t.Errorf("got tags %v, token %v", seen, in.NextToken)
	}
}

func TestDescribeImages(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	d := a.push(t, "app", "content", "v1", "v2")
	out, err := a.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v1")}, {ImageDigest: &d}}})
	if err != nil || len(out.ImageDetails) != 1 {
		t.Fatalf("got %+v: %v", out, err)
	}
	got := out.ImageDetails[0]
	if *got.ImageDigest != d || *got.ImageSizeInBytes != 7 || *got.RegistryId != "111122223333" || *got.RepositoryName != "app" ||
		*got.ImageManifestMediaType != imageType || !cmp.Equal(got.ImageTags, []string{"v1", "v2"}) || got.ImagePushedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	_, err = a.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("gone")}}})
	wantError(t, err, "ImageNotFoundException", "The image with imageId {imageDigest:'null', imageTag:'gone'} does not exist within the repository with name 'app' in the registry with id '111122223333'")
	_, err = a.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("nothing")})
	wantError(t, err, "RepositoryNotFoundException", "'nothing'")
}

func TestBatchGetImage(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	d := a.push(t, "app", "content", "v1")
	other := digest.FromString("other").String()
	out, err := a.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{
		{ImageTag: new("v1")},
		{ImageDigest: &d},
		{ImageTag: new("gone")},
		{},
		{ImageDigest: new("nonsense")},
		{ImageDigest: &other},
		{ImageDigest: &d, ImageTag: new("gone")},
	}})
	if err != nil || len(out.Images) != 2 {
		t.Fatalf("got %+v: %v", out, err)
	}
	if got := out.Images[0]; *got.ImageManifest != d || *got.ImageId.ImageTag != "v1" || *got.ImageId.ImageDigest != d || *got.ImageManifestMediaType != imageType {
		t.Errorf("got %+v", got)
	}
	var codes []types.ImageFailureCode
	for _, f := range out.Failures {
		codes = append(codes, f.FailureCode)
	}
	want := []types.ImageFailureCode{
		types.ImageFailureCodeImageNotFound, types.ImageFailureCodeMissingDigestAndTag, types.ImageFailureCodeInvalidImageDigest,
		types.ImageFailureCodeImageNotFound, types.ImageFailureCodeImageTagDoesNotMatchDigest,
	}
	if diff := cmp.Diff(want, codes); diff != "" || *out.Failures[0].FailureReason != "Requested image not found" {
		t.Errorf("%s, reason %s", diff, *out.Failures[0].FailureReason)
	}
	out, err = a.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("v1")}}, AcceptedMediaTypes: []string{"text/plain"}})
	if err != nil || len(out.Images) != 0 || len(out.Failures) != 1 {
		t.Errorf("got %+v: %v", out, err)
	}
}

func TestBatchDeleteImage(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	d := a.push(t, "app", "content", "v1", "v2", "v3")
	remove := func(ids ...types.ImageIdentifier) *ecr.BatchDeleteImageOutput {
		t.Helper()
		out, err := a.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: ids})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	has := func(ref string) bool {
		_, err := a.records.Resolve(t.Context(), "app", ref)
		return err == nil
	}
	if out := remove(types.ImageIdentifier{ImageTag: new("v1")}); len(out.ImageIds) != 1 || *out.ImageIds[0].ImageDigest != d || has("v1") || !has("v2") {
		t.Errorf("got %+v", out)
	}
	if out := remove(types.ImageIdentifier{ImageDigest: &d}); len(out.ImageIds) != 2 || has("v2") || has(d) {
		t.Errorf("got %+v", out)
	}
	if out := remove(types.ImageIdentifier{ImageDigest: &d}); len(out.Failures) != 1 || out.Failures[0].FailureCode != types.ImageFailureCodeImageNotFound {
		t.Errorf("got %+v", out)
	}
	d = a.push(t, "app", "content", "only")
	if remove(types.ImageIdentifier{ImageTag: new("only")}); has(d) {
		t.Error("the image outlived its last tag")
	}
}

func TestBatchDeleteImageOfAnIndex(t *testing.T) {
	t.Parallel()
	a := open(t)
	a.create(t, "app")
	child := a.push(t, "app", "child")
	index := registry.Manifest{Repo: "app", Digest: digest.FromString("index").String(), Children: []string{child}}
	if err := a.records.Push(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	ids := []types.ImageIdentifier{{ImageDigest: &child}}
	out, err := a.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: ids})
	if err != nil || len(out.Failures) != 1 || *out.Failures[0].FailureReason != "Requested image referenced by manifest list: ["+index.Digest+"]" {
		t.Errorf("got %+v: %v", out, err)
	}
	ids = append(ids, types.ImageIdentifier{ImageDigest: &index.Digest})
	out, err = a.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: ids})
	if err != nil || len(out.Failures) != 0 || len(out.ImageIds) != 2 {
		t.Errorf("got %+v: %v, want both gone", out, err)
	}
}
