package tasks

import (
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// revise makes the calls that register a changed revision of a task's definition, and give it to its service.
func revise(s *snapshot.Snapshot, f failure, say string, change func(*types.TaskDefinition)) []finding.Mend {
	d, ok := s.Definitions[f.task.TaskDefinition]
	if !ok {
		return nil
	}
	d.ContainerDefinitions = slices.Clone(d.ContainerDefinitions)
	change(&d)
	register := finding.NewCall("ecs", "RegisterTaskDefinition")
	shape, _ := members(reflect.ValueOf(d)).(map[string]any)
	for _, name := range []string{
		"family", "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes", "placementConstraints", "requiresCompatibilities",
		"cpu", "memory", "pidMode", "ipcMode", "proxyConfiguration", "inferenceAccelerators", "ephemeralStorage", "runtimePlatform", "enableFaultInjection",
	} {
		if v, ok := shape[name]; ok {
			register.Input = append(register.Input, finding.Arg{Member: name, Value: v})
		}
	}
	mends := []finding.Mend{finding.Do(say, register)}
	if svc, ok := s.ServiceOf(f.task); ok {
		mends = append(mends, finding.Do("and give it to the service", finding.NewCall("ecs", "UpdateService", "cluster", svc.Cluster, "service", svc.Name, "taskDefinition", aws.ToString(d.Family))))
	}
	return mends
}

// container returns the part of a definition that is about a container, to be changed.
func container(d *types.TaskDefinition, name string) *types.ContainerDefinition {
	for i := range d.ContainerDefinitions {
		if aws.ToString(d.ContainerDefinitions[i].Name) == name {
			return &d.ContainerDefinitions[i]
		}
	}
	return &types.ContainerDefinition{}
}

// members is a value of the SDK's as the API's JSON has it: names begin with a small letter, and what isn't set is left
// out.
func members(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return members(v.Elem())
	case reflect.Struct:
		out := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			if m := members(v.Field(i)); m != nil {
				out[strings.ToLower(f.Name[:1])+f.Name[1:]] = m
			}
		}
		return out
	case reflect.Slice:
		if v.Len() == 0 {
			return nil
		}
		out := make([]any, v.Len())
		for i := range out {
			out[i] = members(v.Index(i))
		}
		return out
	case reflect.Map:
		if v.Len() == 0 {
			return nil
		}
		return v.Interface()
	case reflect.String:
		if v.Len() == 0 {
			return nil
		}
		return v.String()
	case reflect.Int32:
		if v.Int() == 0 {
			return nil
		}
		return v.Interface()
	}
	return v.Interface()
}
