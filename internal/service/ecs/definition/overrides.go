package definition

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// maxOverrides is how long overrides may be in JSON.
const maxOverrides = 8192

// Override returns the task definition as RunTask overrides it, once it is
// checked that it may.
func Override(d types.TaskDefinition, o *types.TaskOverride) (types.TaskDefinition, error) {
	if o == nil {
		return d, nil
	}
	if err := checkOverrides(o, d); err != nil {
		return d, err
	}
	d = Overridden(d, o)
	units, mib, f := taskSize(d.Cpu, d.Memory)
	checkStorage(&f, d.EphemeralStorage)
	for i := range d.ContainerDefinitions {
		checkShare(&f, &d.ContainerDefinitions[i], *d.ContainerDefinitions[i].Name, int64(mib))
	}
	checkShares(&f, d.ContainerDefinitions, units, int64(mib))
	d.Cpu, d.Memory = aws.String(strconv.Itoa(units)), aws.String(strconv.Itoa(mib))
	return d, f.Err(ecs.Invalid)
}

func checkOverrides(o *types.TaskOverride, d types.TaskDefinition) error {
	var f ecs.Faults
	if size(reflect.ValueOf(*o)) > maxOverrides {
		f.Add("Container Overrides length must be at most %d", maxOverrides)
	}
	checkRole(&f, "overrides.taskRoleArn", o.TaskRoleArn)
	checkRole(&f, "overrides.executionRoleArn", o.ExecutionRoleArn)
	seen := map[string]bool{}
	for _, c := range o.ContainerOverrides {
		name := aws.ToString(c.Name)
		checkFiles(&f, name, c.EnvironmentFiles)
		if !slices.ContainsFunc(d.ContainerDefinitions, func(is types.ContainerDefinition) bool { return *is.Name == name }) {
			f.Add("Override for container named %s is not a container in the TaskDefinition.", name)
		}
		if seen[name] {
			f.Add("Override for container named %s is specified more than once.", name)
		}
		seen[name] = true
		for _, e := range c.Environment {
			if aws.ToString(e.Name) == "" || strings.ContainsAny(*e.Name, "=\x00") {
				f.Add("Override for container %s: an environment variable's name must not be empty or contain '='.", name)
			}
		}
	}
	return f.Err(ecs.Invalid)
}

// Overridden returns the task definition with what o says over what it says.
func Overridden(d types.TaskDefinition, o *types.TaskOverride) types.TaskDefinition {
	if o == nil {
		return d
	}
	if aws.ToString(o.Cpu) != "" {
		d.Cpu = o.Cpu
	}
	if aws.ToString(o.Memory) != "" {
		d.Memory = o.Memory
	}
	if aws.ToString(o.TaskRoleArn) != "" {
		d.TaskRoleArn = o.TaskRoleArn
	}
	if o.EphemeralStorage != nil {
		d.EphemeralStorage = o.EphemeralStorage
	}
	if aws.ToString(o.ExecutionRoleArn) != "" {
		d.ExecutionRoleArn = o.ExecutionRoleArn
	}
	d.ContainerDefinitions = slices.Clone(d.ContainerDefinitions)
	for _, over := range o.ContainerOverrides {
		i := slices.IndexFunc(d.ContainerDefinitions, func(c types.ContainerDefinition) bool { return *c.Name == aws.ToString(over.Name) })
		if i < 0 {
			continue
		}
		c := &d.ContainerDefinitions[i]
		if len(over.Command) > 0 {
			c.Command = over.Command
		}
		if over.Cpu != nil {
			c.Cpu = *over.Cpu
		}
		if over.Memory != nil {
			c.Memory = over.Memory
		}
		if over.MemoryReservation != nil {
			c.MemoryReservation = over.MemoryReservation
		}
		if len(over.EnvironmentFiles) > 0 {
			c.EnvironmentFiles = over.EnvironmentFiles
		}
		c.Environment = withVariables(c.Environment, over.Environment)
	}
	return d
}

// withVariables returns variables with more set over them.
func withVariables(variables, more []types.KeyValuePair) []types.KeyValuePair {
	out := slices.Clone(variables)
	for _, v := range more {
		i := slices.IndexFunc(out, func(o types.KeyValuePair) bool { return aws.ToString(o.Name) == *v.Name })
		if i < 0 {
			out = append(out, v)
			continue
		}
		out[i] = v
	}
	return out
}

// size is how many characters v has in JSON, as the API spells it: what isn't
// set isn't there.
func size(v reflect.Value) int {
	switch v.Kind() {
	case reflect.Pointer:
		return size(v.Elem())
	case reflect.Slice:
		n := len("[]") + max(0, v.Len()-1)
		for i := range v.Len() {
			n += size(v.Index(i))
		}
		return n
	case reflect.Struct:
		n, members := len("{}"), 0
		for f, value := range v.Fields() {
			if f.IsExported() && !value.IsZero() {
				members++
				n += len(f.Name) + len(`"":`) + size(value)
			}
		}
		return n + max(0, members-1)
	}
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return 0 // strings and numbers have a JSON form
	}
	return len(b)
}
