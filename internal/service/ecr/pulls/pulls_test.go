package pulls

import (
	"context"
	"testing"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
)

// without is a role that may not take an action.
func without(lacks string) caller.Judge {
	return func(_ context.Context, action, resource string, _ map[string][]string) error {
		if action == lacks {
			return awserr.New("AccessDeniedException", "no %s on %s", action, resource)
		}
		return nil
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	r := Registry{Host: "127.0.0.1:4566", Namespace: arn.Namespace{Region: "us-west-2", Account: "111122223333"}}
	const before = "CannotPullContainerError: The task can’t pull the image. Check that the role has the permissions to pull images from the registry. " +
		"Error response from daemon: pull access denied for 127.0.0.1:4566/team/app, repository does not exist or may require 'docker login': denied: "
	for _, c := range []struct{ ref, lacks, want string }{
		{"127.0.0.1:4566/team/app:v1", "", ""},
		{"127.0.0.1:4566/team/app:v1", "ecr:BatchGetImage", before + "no ecr:BatchGetImage on arn:aws:ecr:us-west-2:111122223333:repository/team/app"},
		{"127.0.0.1:4566/team/app@sha256:0", "ecr:GetDownloadUrlForLayer", before + "no ecr:GetDownloadUrlForLayer on arn:aws:ecr:us-west-2:111122223333:repository/team/app"},
		{"docker.io/library/nginx", "ecr:BatchGetImage", ""},
	} {
		got := ""
		if err := r.Allowed(caller.WithJudge(t.Context(), without(c.lacks)), c.ref); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s without %s: %q, want %q", c.ref, c.lacks, got, c.want)
		}
	}
}
