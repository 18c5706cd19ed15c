// Package access says which ECR actions a request to the registry is.
package access

import (
	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/wire/authz"
)

// Questions returns what policy is asked about a request to the registry. Must are the
// questions that decide about it, none for a mere login. Hoped are those about the
// repository that an upload would like to take its blob from
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html,
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/repository-policy-examples.html).
func Questions(ns arn.Namespace, w registry.Wants) (must, hoped []authz.Question) {
	must = asked(ns, w.Repo, actions(w)...)
	if w.From != "" && w.From != w.Repo {
		hoped = asked(ns, w.From, "BatchCheckLayerAvailability", "GetDownloadUrlForLayer")
	}
	return must, hoped
}

func asked(ns arn.Namespace, repo string, actions ...string) (list []authz.Question) {
	resource := "*"
	if repo != "" {
		resource = ns.ARN("ecr", "repository/"+repo)
	}
	for _, action := range actions {
		list = append(list, authz.Question{Action: "ecr:" + action, Resource: resource})
	}
	return list
}

// actions returns the actions that a request is on AWS.
func actions(w registry.Wants) []string {
	switch w.Kind {
	case "catalog":
		return []string{"DescribeRepositories"}
	case "tags":
		return []string{"ListImages"}
	case "referrers":
		return []string{"BatchGetImage"}
	case "manifests":
		return []string{manifestAction(w.Method)}
	case "blobs":
		return []string{blobAction(w.Method)}
	case "uploads":
		return uploadActions(w)
	}
	return nil
}

func manifestAction(method string) string {
	switch method {
	case "GET", "HEAD":
		return "BatchGetImage"
	case "DELETE":
		return "BatchDeleteImage"
	}
	return "PutImage"
}

func blobAction(method string) string {
	switch method {
	case "HEAD":
		return "BatchCheckLayerAvailability"
	case "GET":
		return "GetDownloadUrlForLayer"
	}
	return "BatchDeleteImage" // which the registry doesn't do for a layer
}

// uploadActions returns the actions of a part of an upload. One request may be all of it.
func uploadActions(w registry.Wants) []string {
	var list []string
	if w.Method == "POST" {
		list = append(list, "InitiateLayerUpload")
	}
	if w.Method != "POST" && w.Method != "PUT" || w.Bytes {
		list = append(list, "UploadLayerPart")
	}
	if w.Method == "PUT" || w.Ends {
		list = append(list, "CompleteLayerUpload")
	}
	return list
}
