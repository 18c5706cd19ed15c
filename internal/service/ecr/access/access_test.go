package access

import (
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/wire/authz"
)

var ns = arn.Namespace{Region: "us-west-2", Account: "123456789012"}

func said(list []authz.Question) string {
	var words []string
	for _, q := range list {
		words = append(words, strings.TrimPrefix(q.Action, "ecr:")+" "+strings.TrimPrefix(q.Resource, ns.ARN("ecr", "repository/")))
	}
	return strings.Join(words, ", ")
}

// What docker does is judged by the actions that it is on AWS.
func TestQuestions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wants       registry.Wants
		must, hoped string
	}{
		{registry.Wants{Method: "GET"}, "", ""},
		{registry.Wants{Method: "GET", Kind: "catalog"}, "DescribeRepositories *", ""},
		{registry.Wants{Method: "GET", Kind: "tags", Repo: "a"}, "ListImages a", ""},
		{registry.Wants{Method: "GET", Kind: "referrers", Repo: "a"}, "BatchGetImage a", ""},
		{registry.Wants{Method: "GET", Kind: "manifests", Repo: "a/b"}, "BatchGetImage a/b", ""},
		{registry.Wants{Method: "HEAD", Kind: "manifests", Repo: "a"}, "BatchGetImage a", ""},
		{registry.Wants{Method: "PUT", Kind: "manifests", Repo: "a"}, "PutImage a", ""},
		{registry.Wants{Method: "DELETE", Kind: "manifests", Repo: "a"}, "BatchDeleteImage a", ""},
		{registry.Wants{Method: "HEAD", Kind: "blobs", Repo: "a"}, "BatchCheckLayerAvailability a", ""},
		{registry.Wants{Method: "GET", Kind: "blobs", Repo: "a"}, "GetDownloadUrlForLayer a", ""},
		{registry.Wants{Method: "DELETE", Kind: "blobs", Repo: "a"}, "BatchDeleteImage a", ""},
		{registry.Wants{Method: "POST", Kind: "uploads", Repo: "a"}, "InitiateLayerUpload a", ""},
		{registry.Wants{Method: "POST", Kind: "uploads", Repo: "a", From: "a"}, "InitiateLayerUpload a", ""},
		{registry.Wants{Method: "POST", Kind: "uploads", Repo: "a", From: "b"}, "InitiateLayerUpload a", "BatchCheckLayerAvailability b, GetDownloadUrlForLayer b"},
		{registry.Wants{Method: "POST", Kind: "uploads", Repo: "a", Bytes: true, Ends: true}, "InitiateLayerUpload a, UploadLayerPart a, CompleteLayerUpload a", ""},
		{registry.Wants{Method: "PATCH", Kind: "uploads", Repo: "a", Bytes: true}, "UploadLayerPart a", ""},
		{registry.Wants{Method: "GET", Kind: "uploads", Repo: "a"}, "UploadLayerPart a", ""},
		{registry.Wants{Method: "DELETE", Kind: "uploads", Repo: "a"}, "UploadLayerPart a", ""},
		{registry.Wants{Method: "PUT", Kind: "uploads", Repo: "a", Ends: true}, "CompleteLayerUpload a", ""},
		{registry.Wants{Method: "PUT", Kind: "uploads", Repo: "a", Bytes: true, Ends: true}, "UploadLayerPart a, CompleteLayerUpload a", ""},
	} {
		must, hoped := Questions(ns, tt.wants)
		if said(must) != tt.must || said(hoped) != tt.hoped {
			t.Errorf("%+v: got %q, %q; want %q, %q", tt.wants, said(must), said(hoped), tt.must, tt.hoped)
		}
	}
}
