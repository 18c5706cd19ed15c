package policy

import "testing"

func TestAuthorize(t *testing.T) {
	t.Parallel()
	const web = "arn:aws:ecs:us-west-2:123456789012:cluster/web"
	for principal, want := range map[string]string{
		"arn:aws:iam::123456789012:root": "",
		"arn:aws:iam::123456789012:user/ada": "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: ecs:DeleteCluster " +
			"on resource: arn:aws:ecs:us-west-2:123456789012:cluster/web because no identity-based policy allows the ecs:DeleteCluster action",
		"": "User:  is not authorized to perform: ecs:DeleteCluster on resource: arn:aws:ecs:us-west-2:123456789012:cluster/web because no identity-based policy allows the ecs:DeleteCluster action",
	} {
		got := ""
		if err := Authorize(Request{principal, "ecs:DeleteCluster", []string{web}}); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", principal, got, want)
		}
	}
}
