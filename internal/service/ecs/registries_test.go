package ecs_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

func registered(r types.ServiceRegistry) func(*sdk.CreateServiceInput) {
	return func(in *sdk.CreateServiceInput) { in.ServiceRegistries = []types.ServiceRegistry{r} }
}

// TestRegistries: a task is in its service's registry while it runs, with what is to be known of it, and it isn't told to stop
// before it has left.
func TestRegistries(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, registered(types.ServiceRegistry{RegistryArn: aws.String(ecstest.PortRegistry), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)}))
		w.After(ecstest.Sec(20))
		all := w.Announced()
		if len(all) != 2 {
			t.Fatalf("two tasks run, and announced are %+v", all)
		}
		want := map[string]string{
			"AWS_INSTANCE_PORT": "8080", "AWS_INSTANCE_IPV4": all[0].Attributes["AWS_INSTANCE_IPV4"], "AVAILABILITY_ZONE": all[0].Attributes["AVAILABILITY_ZONE"],
			"REGION": "us-west-2", "ECS_CLUSTER_NAME": "default", "ECS_SERVICE_NAME": "web", "ECS_TASK_DEFINITION_FAMILY": "web",
		}
		if d := cmp.Diff(want, all[0].Attributes); d != "" || want["AWS_INSTANCE_IPV4"] == "" || all[0].Ill {
			t.Errorf("a task's instance (-want +got):\n%s%+v", d, all[0])
		}
		if got := w.Describe().ServiceRegistries; len(got) != 1 || *got[0].RegistryArn != ecstest.PortRegistry || *got[0].ContainerPort != 8080 || got[0].Port != nil {
			t.Errorf("the service's registries are %+v", got)
		}

		w.Registries.Behind.Store(true)
		w.Update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(0)})
		w.After(ecstest.Sec(20))
		if left := w.Announced(); len(left) != 0 || w.Describe().RunningCount != 0 {
			t.Errorf("while tasks stop, %d are announced and %d count as running", len(left), w.Describe().RunningCount)
		}
		if w.OnMachine() != 2 {
			t.Errorf("names still lead to 2 tasks, and the machine has %d", w.OnMachine())
		}
		w.Registries.Behind.Store(false)
		w.After(ecstest.Sec(60))
		if w.OnMachine() != 0 {
			t.Errorf("after the names are gone the machine has %d tasks", w.OnMachine())
		}
	})
}

// TestRegistryChanged: another registry is a new revision of the service.
func TestRegistryChanged(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(1, registered(types.ServiceRegistry{RegistryArn: aws.String(ecstest.Registry)}))
		w.After(ecstest.Sec(20))
		w.Update(&sdk.UpdateServiceInput{ServiceRegistries: []types.ServiceRegistry{{RegistryArn: aws.String(ecstest.PortRegistry), Port: aws.Int32(9)}}})
		w.After(ecstest.Sec(120))
		if all := w.Announced(); len(all) != 1 || all[0].Registry != ecstest.PortRegistry || all[0].Attributes["AWS_INSTANCE_PORT"] != "9" {
			t.Errorf("after the change announced are %+v", all)
		}
		w.Update(&sdk.UpdateServiceInput{ServiceRegistries: []types.ServiceRegistry{}})
		w.After(ecstest.Sec(120))
		if all := w.Announced(); len(all) != 0 || w.Describe().RunningCount != 1 {
			t.Errorf("without registries announced are %+v", all)
		}
	})
}

// TestRegistriesRefused: what registries a service can't have.
func TestRegistriesRefused(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		for want, r := range map[string][]types.ServiceRegistry{
			"at most 1 item":               {{RegistryArn: aws.String(ecstest.Registry)}, {RegistryArn: aws.String(ecstest.PortRegistry)}},
			"registryArn cannot be blank":  {{}},
			"not that of an AWS Cloud Map": {{RegistryArn: aws.String("arn:aws:s3:::bucket")}},
			"Service was not found":        {{RegistryArn: aws.String(ecstest.Registry + "none")}},
			"records of type SRV":          {{RegistryArn: aws.String(ecstest.PortRegistry)}},
			"not both":                     {{RegistryArn: aws.String(ecstest.Registry), Port: aws.Int32(1), ContainerName: aws.String("web")}},
			"both containerName":           {{RegistryArn: aws.String(ecstest.Registry), ContainerName: aws.String("web")}},
			"container port 1":             {{RegistryArn: aws.String(ecstest.Registry), ContainerName: aws.String("web"), ContainerPort: aws.Int32(1)}},
		} {
			_, err := w.API.CreateService(t.Context(), &sdk.CreateServiceInput{
				ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(1), NetworkConfiguration: ecstest.Placed, ServiceRegistries: r,
			})
			wantError(t, err, badCode, want)
		}
	})
}
