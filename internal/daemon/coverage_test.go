package daemon

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/logs"
	"github.com/skylift/skylift/internal/service/sts"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

//go:generate go test -run ^TestCoveragePage$ -update .

var update = flag.Bool("update", false, "write the coverage page anew")

// coveragePage is made by this test, and says what the program says of itself.
const coveragePage = "../../docs/api-coverage.md"

// TestCoveragePage holds the page to the lists of operations, and to what the
// handlers refuse when they are asked.
func TestCoveragePage(t *testing.T) {
	t.Parallel()
	want := page(t)
	if *update {
		if err := os.WriteFile(coveragePage, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(coveragePage)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("docs/api-coverage.md is not what the program does: run make generate (-want +got)\n%s", d)
	}
}

// unplugged are the services with nothing behind them: enough to list what
// they do, and to be refused by.
func unplugged() apis {
	ns := arn.Namespace{Region: "us-west-2", Account: "123456789012"}
	return apis{
		sts: sts.New(), ec2: ec2.New(nil, ns, netip.Prefix{}), elbv2: elbv2.New(nil, ns, nil, nil), ecr: ecr.New(nil, nil),
		logs: logs.New(logs.Config{Namespace: ns, Log: slog.New(slog.DiscardHandler)}), ecs: ecs.New(nil, ns, nil, nil), efs: efs.New(nil, ns, nil),
	}
}

func page(t *testing.T) []byte {
	a := unplugged()
	ops := operations(a)
	b := new(bytes.Buffer)
	fmt.Fprint(b, "# What Skylift has of the AWS APIs\n\n",
		"Made by `make generate` from the program itself, and held to it by a test. An operation that is not there is refused by its name, in the\n",
		"shape that the service's errors have. So is a parameter: *refused* lists those that Skylift names and turns down, unless they say no more than\n",
		"AWS's default does. What is not listed is taken, or refused as AWS refuses it (of task definitions that is all that FARGATE lacks); a value or\n",
		"a nested parameter in it that Skylift has not is refused by name, too. Nothing is accepted and ignored.\n\n",
		"| service | operations | of |\n|---|---|---|\n")
	var services []*wire.Service
	for _, s := range chapters(a) {
		w, err := wire.NewService(s.name, ops[s.name]...)
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, w)
		done, missing := w.Coverage()
		fmt.Fprintf(b, "| [%s](#%s) | %d | %d |\n", s.title, anchor(s.title), len(done), len(done)+len(missing))
	}
	for i, s := range chapters(a) {
		writeService(b, s, services[i])
	}
	return b.Bytes()
}

// chapter is a service on the page.
type chapter struct {
	title, name string
	api         any
}

func chapters(a apis) []chapter {
	return []chapter{
		{"ECS", "ecs", a.ecs},
		{"ECR", "ecr", a.ecr},
		{"Elastic Load Balancing v2", "elasticloadbalancing", a.elbv2},
		{"EC2", "ec2", a.ec2},
		{"EFS", "elasticfilesystem", a.efs},
		{"CloudWatch Logs", "logs", a.logs},
		{"STS", "sts", a.sts},
	}
}

func anchor(title string) string { return strings.ReplaceAll(strings.ToLower(title), " ", "-") }

func writeService(w io.Writer, c chapter, s *wire.Service) {
	done, missing := s.Coverage()
	fmt.Fprintf(w, "\n## %s\n\n| operation | refused |\n|---|---|\n", c.title)
	for _, name := range done {
		handler := reflect.ValueOf(c.api).MethodByName(name)
		fmt.Fprintf(w, "| %s | %s |\n", name, quoted(s, refused(handler, required(s.Name(), name))))
		if name == "RegisterTaskDefinition" {
			fmt.Fprintf(w, "| … its `containerDefinitions` | %s |\n", quoted(s, refusedOfContainer(handler)))
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(w, "\n<details><summary>Not yet: %d operations</summary>\n\n%s\n\n</details>\n", len(missing), strings.Join(missing, ", "))
	}
}

// quoted lists parameters as the service spells them.
func quoted(s *wire.Service, names []string) string {
	var out []string
	for _, n := range names {
		if s.Protocol() == wire.AWSJSON11 {
			n = strings.ToLower(n[:1]) + n[1:]
		}
		out = append(out, "`"+n+"`")
	}
	return strings.Join(out, " ")
}

// required lists the members that the operation's input must have (Go names).
func required(service, operation string) (names []string) {
	d, err := descriptor.Load(service)
	if err != nil {
		panic(err) // the service was bound to it
	}
	input := d.Shapes[d.Operations[operation].Input]
	if input == nil {
		return nil
	}
	for _, m := range input.Members {
		if m.Required {
			names = append(names, strings.ToUpper(m.Name[:1])+m.Name[1:])
		}
	}
	return names
}

// refused asks the handler with one parameter after the other, and returns the
// names of those that it refuses.
func refused(handler reflect.Value, required []string) (names []string) {
	in := handler.Type().In(1).Elem()
	for f := range in.Fields() {
		if !f.IsExported() {
			continue
		}
		v := reflect.New(in)
		for _, name := range append(required, f.Name) {
			fill(v.Elem().FieldByName(name), 2)
		}
		if refuses(handler, v, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// refusedOfContainer does the same with the parameters of a container.
func refusedOfContainer(handler reflect.Value) (names []string) {
	for f := range reflect.TypeFor[types.ContainerDefinition]().Fields() {
		if !f.IsExported() {
			continue
		}
		c := types.ContainerDefinition{Name: new("web"), Image: new("web")}
		if field := reflect.ValueOf(&c).Elem().FieldByName(f.Name); field.IsZero() {
			fill(field, 2)
		}
		in := &sdk.RegisterTaskDefinitionInput{
			Family: new("web"), NetworkMode: types.NetworkModeAwsvpc, Cpu: new("256"), Memory: new("512"),
			ContainerDefinitions: []types.ContainerDefinition{c},
		}
		if refuses(handler, reflect.ValueOf(in), f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// refuses tells whether the handler turns the parameter down by its name. A
// handler that takes it goes on, and fails: there is nothing behind it.
func refuses(handler, in reflect.Value, parameter string) (no bool) {
	defer func() { _ = recover() }()
	err, _ := reflect.TypeAssert[error](handler.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})[1])
	return err != nil && strings.HasPrefix(strings.ToLower(message(err)), strings.ToLower("The parameter '"+parameter+"'")) &&
		strings.Contains(message(err), "not supported by Skylift")
}

func message(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorMessage()
	}
	return err.Error()
}

// fill sets v to anything but nothing, as far down as depth.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth)
		fill(value, depth)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for _, f := range v.Fields() {
			if depth > 0 && f.CanSet() {
				fill(f, depth-1)
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	}
}
