package ecs_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// TestNoContainerInstances asks everything that can be asked of container
// instances: there are none.
func TestNoContainerInstances(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		arn := ours + "container-instance/default/" + someID
		refs := []string{someID, arn}
		check := func(what string, failures []types.Failure, err error) {
			t.Helper()
			var got []string
			for _, f := range failures {
				got = append(got, *f.Reason+" "+*f.Arn)
			}
			if d := cmp.Diff([]string{"MISSING " + arn, "MISSING " + arn}, got); err != nil || d != "" {
				t.Errorf("%s: %v %s", what, err, d)
			}
		}
		if out, err := w.API.ListContainerInstances(w.T.Context(), &sdk.ListContainerInstancesInput{Status: types.ContainerInstanceStatusDraining}); err != nil || len(out.ContainerInstanceArns) != 0 || out.NextToken != nil {
			t.Errorf("list: %v %v", out, err)
		}
		if out, err := w.API.ListAttributes(w.T.Context(), &sdk.ListAttributesInput{TargetType: types.TargetTypeContainerInstance}); err != nil || len(out.Attributes) != 0 || out.NextToken != nil {
			t.Errorf("attributes: %v %v", out, err)
		}
		described, err := w.API.DescribeContainerInstances(w.T.Context(), &sdk.DescribeContainerInstancesInput{ContainerInstances: refs, Include: []types.ContainerInstanceField{types.ContainerInstanceFieldTags}})
		check("describe", described.Failures, err)
		updated, err := w.API.UpdateContainerInstancesState(w.T.Context(), &sdk.UpdateContainerInstancesStateInput{ContainerInstances: refs, Status: types.ContainerInstanceStatusDraining})
		check("drain", updated.Failures, err)
		started, err := w.API.StartTask(w.T.Context(), &sdk.StartTaskInput{TaskDefinition: aws.String("web"), ContainerInstances: refs})
		check("start", started.Failures, err)
		if running := w.Tasks(types.DesiredStatusRunning); len(described.ContainerInstances)+len(updated.ContainerInstances)+len(started.Tasks)+len(running) != 0 {
			t.Errorf("found %v %v %v, started %v", described.ContainerInstances, updated.ContainerInstances, started.Tasks, running)
		}
	})
}

func TestBadContainerInstances(t *testing.T) {
	attribute := func(a types.Attribute) []types.Attribute { return []types.Attribute{a} }
	some := types.Attribute{Name: aws.String("stack"), Value: aws.String("a"), TargetType: types.TargetTypeContainerInstance, TargetId: aws.String(someID)}
	loose, nameless := some, some
	loose.TargetType, nameless.Name = "", aws.String("")
	tests := []struct {
		name       string
		call       func(*ecstest.World) error
		code, want string
	}{
		{"describe none", call((*api.API).DescribeContainerInstances, &sdk.DescribeContainerInstancesInput{}), badCode, "empty"},
		{"describe many", call((*api.API).DescribeContainerInstances, &sdk.DescribeContainerInstancesInput{ContainerInstances: slices.Repeat([]string{someID}, 101)}), badCode, "100"},
		{"describe nonsense", call((*api.API).DescribeContainerInstances, &sdk.DescribeContainerInstancesInput{ContainerInstances: []string{"x"}}), badCode, "[32,36]"},
		{"of another cluster", call((*api.API).DescribeContainerInstances, &sdk.DescribeContainerInstancesInput{ContainerInstances: []string{ours + "container-instance/other/" + someID}}), badCode, "Your cluster is default"},
		{"in no cluster", call((*api.API).ListContainerInstances, &sdk.ListContainerInstancesInput{Cluster: aws.String("gone")}), "ClusterNotFoundException", "Cluster not found."},
		{"filter", call((*api.API).ListContainerInstances, &sdk.ListContainerInstancesInput{Filter: aws.String("task:group == x")}), badCode, "'filter'"},
		{"token", call((*api.API).ListContainerInstances, &sdk.ListContainerInstancesInput{NextToken: aws.String("x")}), badCode, "nextToken"},
		{"state", call((*api.API).UpdateContainerInstancesState, &sdk.UpdateContainerInstancesStateInput{ContainerInstances: []string{someID}, Status: types.ContainerInstanceStatusRegistering}), badCode, "ACTIVE or DRAINING"},
		{"deregister", call((*api.API).DeregisterContainerInstance, &sdk.DeregisterContainerInstanceInput{ContainerInstance: aws.String(someID)}), badCode, "The referenced container instance was not found."},
		{"agent", call((*api.API).UpdateContainerAgent, &sdk.UpdateContainerAgentInput{ContainerInstance: aws.String(someID)}), badCode, "The referenced container instance was not found."},
		{"put", call((*api.API).PutAttributes, &sdk.PutAttributesInput{Attributes: attribute(some)}), "TargetNotFoundException", ""},
		{"delete", call((*api.API).DeleteAttributes, &sdk.DeleteAttributesInput{Attributes: attribute(some)}), "TargetNotFoundException", ""},
		{"no type", call((*api.API).PutAttributes, &sdk.PutAttributesInput{Attributes: attribute(loose)}), badCode, "target type"},
		{"no name", call((*api.API).PutAttributes, &sdk.PutAttributesInput{Attributes: attribute(nameless)}), badCode, "name"},
		{"many", call((*api.API).PutAttributes, &sdk.PutAttributesInput{Attributes: slices.Repeat(attribute(some), 11)}), badCode, "10"},
		{"value alone", call((*api.API).ListAttributes, &sdk.ListAttributesInput{AttributeValue: aws.String("x")}), badCode, "attribute name"},
		{"start on none", call((*api.API).StartTask, &sdk.StartTaskInput{TaskDefinition: aws.String("web")}), badCode, "containerInstances"},
		{"start nothing", call((*api.API).StartTask, &sdk.StartTaskInput{TaskDefinition: aws.String("gone"), ContainerInstances: []string{someID}}), "ClientException", "TaskDefinition not found."},
		{"namespace", call((*api.API).ListServicesByNamespace, &sdk.ListServicesByNamespaceInput{Namespace: aws.String("internal")}), "NamespaceNotFoundException", "The specified namespace wasn't found."},
		{"pages of a namespace", call((*api.API).ListServicesByNamespace, &sdk.ListServicesByNamespaceInput{Namespace: aws.String("internal"), MaxResults: aws.Int32(101)}), badCode, "maxResults"},
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		for _, tt := range tests {
			t.Log(tt.name)
			wantError(t, tt.call(w), tt.code, tt.want)
		}
	})
}

// TestTags tags whatever has tags, to ECS's limits.
func TestTags(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		definition := w.Define()
		w.Service(1)
		w.After(ecstest.Sec(5))
		task := *w.Tasks(types.DesiredStatusRunning)[0].TaskArn
		list := func(arn string) map[string]string {
			t.Helper()
			out, err := w.API.ListTagsForResource(w.T.Context(), &sdk.ListTagsForResourceInput{ResourceArn: &arn})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, tag := range out.Tags {
				got[*tag.Key] = *tag.Value
			}
			return got
		}
		tag := func(arn string, tags ...types.Tag) error {
			_, err := w.API.TagResource(w.T.Context(), &sdk.TagResourceInput{ResourceArn: &arn, Tags: tags})
			return err
		}
		one := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
		for _, arn := range []string{definition, task, ours + "cluster/default", ours + "service/default/web"} {
			if err := tag(arn, one("a", "1"), one("b", "2")); err != nil {
				t.Errorf("%s: %v", arn, err)
			}
			if err := tag(arn, one("b", "3"), one("c", "")); err != nil {
				t.Errorf("%s: %v", arn, err)
			}
			if _, err := w.API.UntagResource(w.T.Context(), &sdk.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"a", "never"}}); err != nil {
				t.Errorf("%s: %v", arn, err)
			}
			if d := cmp.Diff(map[string]string{"b": "3", "c": ""}, list(arn)); d != "" {
				t.Errorf("%s: %s", arn, d)
			}
			wantError(t, tag(arn, manyTags("x", 49)...), badCode, "The maximum number of tags per resource is 50.")
			wantError(t, tag(arn, one("AWS:x", "")), badCode, "aws: prefixed tag key names are not allowed for external use.")
			if err := tag(arn, manyTags("x", 48)...); err != nil {
				t.Errorf("%s: fifty tags: %v", arn, err)
			}
		}
		gone := "ResourceNotFoundException"
		for _, arn := range []string{"cluster/gone", "service/default/gone", "task/default/" + someID, "container-instance/default/" + someID, "task-definition/web:9", "capacity-provider/mine"} {
			wantError(t, tag(ours+arn, one("a", "")), gone, "The specified resource was not found.")
		}
		wantError(t, tag(ours+"container-instance/"+someID, one("a", "")), badCode, "Long arn format must be used for tagging operations")
		if got := list(ours + "capacity-provider/FARGATE"); len(got) != 0 {
			t.Errorf("tags of FARGATE: %v", got)
		}
	})
}
