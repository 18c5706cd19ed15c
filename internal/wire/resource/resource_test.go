package resource

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

type part struct{ ID *string }

type input struct {
	Cluster *string
	Tasks   []string
	Arn     *string
	Other   *string
	Parts   []part
	Count   *int32
}

// depot is a service whose resources have ARNs of each form.
func depot(on string) *descriptor.Service {
	member := func(name, shape string) descriptor.Member { return descriptor.Member{Name: name, Shape: shape} }
	return &descriptor.Service{
		SigningName: "depot",
		Operations:  map[string]descriptor.Operation{"Do": {Input: "In", On: on}},
		Resources: map[string]string{
			"cluster": "cluster/${ClusterName}", "task": "task/${ClusterName}/${TaskID}",
			"deployment": "deployment/${ClusterName}/${TaskID}/${DeploymentID}",
			"definition": "definition/${Family}:${Revision}", "group": "group:${Name}", "stream": "group:${Name}:stream:${Stream}",
			"image": "arn:${Partition}:depot:${Region}::image/${ImageID}", "rule/app": "rule/app/${ID}", "rule/net": "rule/net/${ID}",
		},
		Shapes: map[string]*descriptor.Shape{
			"In": {Type: "structure", Members: []descriptor.Member{
				member("Cluster", "S"), member("Tasks", "L"), member("Arn", "S"), member("Other", "S"), member("Parts", "P"), member("Count", "N"),
			}},
			"S": {Type: "string"}, "N": {Type: "integer"},
			"L":    {Type: "list", Element: &descriptor.Ref{Shape: "S"}},
			"P":    {Type: "list", Element: &descriptor.Ref{Shape: "Part"}},
			"Part": {Type: "structure", Members: []descriptor.Member{member("ID", "S")}},
		},
	}
}

func compile(t *testing.T, on string, declared ...Declaration) (*Set, error) {
	t.Helper()
	s := depot(on)
	in, err := bind.New(s, "awsjson1.1").Bind("In", reflect.TypeFor[input]())
	if err != nil {
		t.Fatal(err)
	}
	return Of(s).Compile("Do", in, declared)
}

func texts(list ...string) (all []Declaration) {
	for _, text := range list {
		all = append(all, Declaration{Text: text})
	}
	return all
}

func TestOf(t *testing.T) {
	t.Parallel()
	const here = "arn:aws:depot:us-west-2:123456789012:"
	for _, tc := range []struct {
		name, on string
		declared []Declaration
		in       input
		want     string // divided by spaces, without here
	}{
		{"names", "task!", texts("task: Cluster=default Tasks"), input{Cluster: new("web"), Tasks: []string{"1", "2", "1"}}, "task/web/1 task/web/2"},
		{"a member that is absent", "task!", texts("task: Cluster=default Tasks"), input{Tasks: []string{"1"}}, "task/default/1"},
		{"nothing named", "task!", texts("task: Cluster=default Tasks"), input{}, "task/default/*"},
		{"nothing named and nothing usual", "task!", texts("task: Cluster Tasks"), input{}, "task/*/*"},
		{"an ARN of the type", "task!", texts("task: Cluster=default Tasks"), input{Tasks: []string{here + "task/x/1", "2"}}, "task/x/1 task/default/2"},
		{"an ARN of elsewhere", "task!", texts("task: Tasks"), input{Tasks: []string{"arn:aws:depot:eu-west-1:1:task/x/1"}}, "arn:aws:depot:eu-west-1:1:task/x/1"},
		{"an ARN of what holds it", "task!", texts("task: Cluster=default Tasks"), input{Cluster: new(here + "cluster/web"), Tasks: []string{"1"}}, "task/web/1"},
		{"the ARN of what it holds", "task!", texts("task: Arn"), input{Arn: new(here + "deployment/web/1/d")}, "task/web/1"},
		{"an ARN of another service", "task!", texts("task: Arn"), input{Arn: new("arn:aws:s3:::b")}, "arn:aws:s3:::b"},
		{"no value for the last variables", "definition!", texts("definition: Arn"), input{Arn: new("web")}, "definition/web:*"},
		{"a value for several variables", "definition!", texts("definition: Arn"), input{Arn: new("web:7")}, "definition/web:7"},
		{"the first that is set", "group!", texts("group: Cluster|Arn"), input{Arn: new(here + "group:g:*")}, "group:g"},
		{"the first that is set, in an ARN", "stream!", texts("stream: Cluster|Arn Other"), input{Arn: new(here + "group:g/h:*"), Other: new("s")}, "group:g/h:stream:s"},
		{"a type with no account", "image!", texts("image: Arn"), input{Arn: new("i")}, "arn:aws:depot:us-west-2::image/i"},
		{"members of elements", "task!", texts("task: Cluster Parts.ID"), input{Cluster: new("c"), Parts: []part{{new("1")}, {}, {new("2")}}}, "task/c/1 task/c/2"},
		{"types that begin so", "rule/app! rule/net!", texts("rule/*: Tasks"), input{Tasks: []string{here + "rule/app/1"}}, "rule/app/1"},
		{"any type", "rule/app rule/net task", texts("*: Arn"), input{Arn: new("x")}, "x"},
		{"anything", "task!", texts("task: Cluster *"), input{}, "task/*/*"},
		{"nothing", "", nil, input{}, "*"},
		{"an optional type that is not named", "task! cluster", texts("task: Cluster Tasks", "cluster: Arn"), input{Tasks: []string{"1"}}, "task/*/1"},
		{"an optional type beside a required one that is not named", "task! cluster", texts("task: *", "cluster: Arn"), input{}, "task/*/*"},
		{"optional types alone", "task cluster", texts("task: Cluster Tasks", "cluster: Arn"), input{}, "task/*/* cluster/*"},
		{"two ways to name one", "cluster!", []Declaration{{Text: "cluster: Cluster"}, {Text: "cluster: Arn", Find: found}}, input{Arn: new("x")}, "cluster/found-x"},
		{"what is not found", "cluster!", []Declaration{{Text: "cluster: Arn", Find: found}}, input{Arn: new("gone")}, "cluster/*"},
		{"what nobody asks for", "cluster!", []Declaration{{Text: "cluster: Arn", Find: found}}, input{}, "cluster/*"},
	} {
		s, err := compile(t, tc.on, tc.declared...)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var got []string
		for _, a := range s.Of(t.Context(), arn.Namespace{Region: "us-west-2", Account: "123456789012"}, &tc.in) {
			got = append(got, strings.TrimPrefix(a.ARN, here))
		}
		if diff := cmp.Diff(strings.Fields(tc.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func found(_ context.Context, named []string) (ids []string) {
	for _, n := range named {
		if n != "gone" {
			ids = append(ids, "found-"+n)
		}
	}
	return ids
}

// TestCompileRefusesARNsOfEveryType: such a declaration made the first request panic.
func TestCompileRefusesARNsOfEveryType(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"*", "rule/*"} {
		if _, err := compile(t, "task rule/app rule/net", Declaration{Text: kind, Whole: func(context.Context, any) []string { return nil }}); err == nil {
			t.Errorf("%s is taken", kind)
		}
	}
}

func TestCompileRefusesWhatTheReferenceDoesNotHave(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, on string
		declared []Declaration
		want     string // in the error
	}{
		{"a type of no operation", "task!", texts("task: Tasks", "train: Arn"), "no such resource type"},
		{"a type of other operations", "task!", texts("task: Tasks", "cluster: Cluster"), "no such resource type"},
		{"types that none is of", "task!", texts("task: Tasks", "train/*: Arn"), "no such resource type"},
		{"one for an operation that is on none", "", texts("task: Tasks"), "no such resource type"},
		{"a required type is missing", "task! cluster!", texts("task: Tasks"), "a cluster"},
		{"none where one is required", "task!", nil, "a task"},
		{"an unknown member", "task!", texts("task: Clustr Tasks"), `no member "Clustr"`},
		{"a member that is no text", "task!", texts("task: Count"), "no text"},
		{"a structure", "task!", texts("task: Parts"), "no text"},
		{"a member of no structure", "task!", texts("task: Cluster.ID"), "no members"},
		{"more members than variables", "cluster!", texts("cluster: Cluster Tasks"), "2 members for 1"},
		{"more members than any type has", "task!", texts("*: Cluster Tasks"), "2 members for 1"},
		{"no member", "task!", texts("task"), "0 members"},
	} {
		if _, err := compile(t, tc.on, tc.declared...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want one that says %q", tc.name, err, tc.want)
		}
	}
	if _, err := compile(t, "task cluster", texts("task: Tasks")...); err != nil {
		t.Errorf("an optional type may be left out: %v", err)
	}
}
