package ecs_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs"
)

// TestNoContainerInstances asks everything that can be asked of container
// instances: there are none.
func TestNoContainerInstances(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.define()
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
		if out, err := w.api.ListContainerInstances(w.t.Context(), &sdk.ListContainerInstancesInput{Status: types.ContainerInstanceStatusDraining}); err != nil || len(out.ContainerInstanceArns) != 0 || out.NextToken != nil {
			t.Errorf("list: %v %v", out, err)
		}
		if out, err := w.api.ListAttributes(w.t.Context(), &sdk.ListAttributesInput{TargetType: types.TargetTypeContainerInstance}); err != nil || len(out.Attributes) != 0 || out.NextToken != nil {
			t.Errorf("attributes: %v %v", out, err)
		}
		described, err := w.api.DescribeContainerInstances(w.t.Context(), &sdk.DescribeContainerInstancesInput{ContainerInstances: refs, Include: []types.ContainerInstanceField{types.ContainerInstanceFieldTags}})
		check("describe", described.Failures, err)
		updated, err := w.api.UpdateContainerInstancesState(w.t.Context(), &sdk.UpdateContainerInstancesStateInput{ContainerInstances: refs, Status: types.ContainerInstanceStatusDraining})
		check("drain", updated.Failures, err)
		started, err := w.api.StartTask(w.t.Context(), &sdk.StartTaskInput{TaskDefinition: aws.String("web"), ContainerInstances: refs})
		check("start", started.Failures, err)
		if running := w.tasks(types.DesiredStatusRunning); len(described.ContainerInstances)+len(updated.ContainerInstances)+len(started.Tasks)+len(running) != 0 {
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
		call       func(*world) error
		code, want string
	}{
		{"describe none", call((*ecs.API).DescribeContainerInstances, &sdk.DescribeContainerInstancesInput{}), badCode, "empty"},
		{"describe many", call((*ecs.API).DescribeContainerInstances, &sdk.DescribeContainerInstancesInput{ContainerInstances: slices.Repeat([]string{someID}, 101)}), badCode, "100"},
		{"describe nonsense", call((*ecs.API).DescribeContainerInstances, &sdk.DescribeContainerInstancesInput{ContainerInstances: []string{"x"}}), badCode, "[32,36]"},
		{"of another cluster", call((*ecs.API).DescribeContainerInstances, &sdk.DescribeContainerInstancesInput{ContainerInstances: []string{ours + "container-instance/other/" + someID}}), badCode, "Your cluster is default"},
		{"in no cluster", call((*ecs.API).ListContainerInstances, &sdk.ListContainerInstancesInput{Cluster: aws.String("gone")}), "ClusterNotFoundException", "Cluster not found."},
		{"filter", call((*ecs.API).ListContainerInstances, &sdk.ListContainerInstancesInput{Filter: aws.String("task:group == x")}), badCode, "'filter'"},
		{"token", call((*ecs.API).ListContainerInstances, &sdk.ListContainerInstancesInput{NextToken: aws.String("x")}), badCode, "nextToken"},
		{"state", call((*ecs.API).UpdateContainerInstancesState, &sdk.UpdateContainerInstancesStateInput{ContainerInstances: []string{someID}, Status: types.ContainerInstanceStatusRegistering}), badCode, "ACTIVE or DRAINING"},
		{"deregister", call((*ecs.API).DeregisterContainerInstance, &sdk.DeregisterContainerInstanceInput{ContainerInstance: aws.String(someID)}), badCode, "The referenced container instance was not found."},
		{"agent", call((*ecs.API).UpdateContainerAgent, &sdk.UpdateContainerAgentInput{ContainerInstance: aws.String(someID)}), badCode, "The referenced container instance was not found."},
		{"put", call((*ecs.API).PutAttributes, &sdk.PutAttributesInput{Attributes: attribute(some)}), "TargetNotFoundException", ""},
		{"delete", call((*ecs.API).DeleteAttributes, &sdk.DeleteAttributesInput{Attributes: attribute(some)}), "TargetNotFoundException", ""},
		{"no type", call((*ecs.API).PutAttributes, &sdk.PutAttributesInput{Attributes: attribute(loose)}), badCode, "target type"},
		{"no name", call((*ecs.API).PutAttributes, &sdk.PutAttributesInput{Attributes: attribute(nameless)}), badCode, "name"},
		{"many", call((*ecs.API).PutAttributes, &sdk.PutAttributesInput{Attributes: slices.Repeat(attribute(some), 11)}), badCode, "10"},
		{"value alone", call((*ecs.API).ListAttributes, &sdk.ListAttributesInput{AttributeValue: aws.String("x")}), badCode, "attribute name"},
		{"start on none", call((*ecs.API).StartTask, &sdk.StartTaskInput{TaskDefinition: aws.String("web")}), badCode, "containerInstances"},
		{"start nothing", call((*ecs.API).StartTask, &sdk.StartTaskInput{TaskDefinition: aws.String("gone"), ContainerInstances: []string{someID}}), "ClientException", "TaskDefinition not found."},
		{"namespace", call((*ecs.API).ListServicesByNamespace, &sdk.ListServicesByNamespaceInput{Namespace: aws.String("internal")}), "NamespaceNotFoundException", "The specified namespace wasn't found."},
		{"pages of a namespace", call((*ecs.API).ListServicesByNamespace, &sdk.ListServicesByNamespaceInput{Namespace: aws.String("internal"), MaxResults: aws.Int32(101)}), badCode, "maxResults"},
	}
	play(t, fake.Config{}, func(w *world) {
		w.define()
		for _, tt := range tests {
			t.Log(tt.name)
			wantError(t, tt.call(w), tt.code, tt.want)
		}
	})
}

// TestTags tags whatever has tags, to ECS's limits.
func TestTags(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		definition := w.define()
		w.service(1)
		w.after(sec(5))
		task := *w.tasks(types.DesiredStatusRunning)[0].TaskArn
		list := func(arn string) map[string]string {
			t.Helper()
			out, err := w.api.ListTagsForResource(w.t.Context(), &sdk.ListTagsForResourceInput{ResourceArn: &arn})
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
			_, err := w.api.TagResource(w.t.Context(), &sdk.TagResourceInput{ResourceArn: &arn, Tags: tags})
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
			if _, err := w.api.UntagResource(w.t.Context(), &sdk.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"a", "never"}}); err != nil {
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
