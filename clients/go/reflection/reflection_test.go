package reflection_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1"
	"github.com/dswarm/dswarm/clients/go/health"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/reflection"
	"github.com/dswarm/dswarm/clients/go/rpc"
	"github.com/dswarm/dswarm/clients/go/status"
)

const echoName = "dswarm.example.v1.EchoService"

// link is one end of a pipe.
type link struct {
	net.Conn
	isDialer bool
}

func (link) Goodbye() error            { return nil }
func (link) RemoteID() identity.NodeID { return identity.NodeID{1} }
func (l link) IsDialer() bool          { return l.isDialer }

// served connects a client to a server that tells of itself.
func served(t *testing.T) (*rpc.Conn, *health.Health) {
	t.Helper()
	server := rpc.NewServer()
	echo.RegisterEchoServiceServer(server, echo.UnimplementedEchoServiceServer{})
	told := health.Register(server)
	reflection.Register(server)
	ours, theirs := net.Pipe()
	client := rpc.NewConn(link{ours, true}, rpc.Options{})
	other := rpc.NewConn(link{theirs, false}, rpc.Options{Server: server})
	t.Cleanup(func() {
		ours.Close()
		theirs.Close()
		<-client.Done()
		<-other.Done()
	})
	return client, told
}

func TestReflectionTellsTheSchemaOfWhatIsServed(t *testing.T) {
	conn, _ := served(t)
	client, ctx := pb.NewReflectionServiceClient(conn), context.Background()
	listed, err := client.ListServices(ctx, &pb.ListServicesRequest{})
	want := []string{echoName, "dswarm.v1.ReflectionService", health.ServiceName}
	if err != nil || !slices.Equal(listed.GetServices(), want) {
		t.Fatal(listed, err)
	}
	for _, service := range want {
		answer, err := client.GetDescriptors(ctx, &pb.GetDescriptorsRequest{Service: service})
		files := answer.GetFiles().GetFile()
		if err != nil || len(files) == 0 || !strings.HasPrefix(service, files[len(files)-1].GetPackage()) {
			t.Error(service, files, err)
		}
	}
	if _, err := client.GetDescriptors(ctx, &pb.GetDescriptorsRequest{Service: "a.Nobody"}); status.CodeOf(err) != status.NotFound {
		t.Error("what is not served:", err)
	}
}

func message(name protoreflect.Name) (*dynamicpb.Message, protoreflect.FieldDescriptor) {
	desc := health.File.Messages().ByName(name)
	return dynamicpb.NewMessage(desc), desc.Fields().ByNumber(1)
}

func TestHealthTellsTheStatusNowAndWheneverItChanges(t *testing.T) {
	conn, told := served(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	check := func(service string) (health.Status, error) {
		in, field := message("HealthCheckRequest")
		in.Set(field, protoreflect.ValueOfString(service))
		out, status := message("HealthCheckResponse")
		err := conn.Invoke(ctx, health.ServiceName+"/Check", in, out)
		return health.Status(out.Get(status).Enum()), err
	}
	for _, service := range []string{"", echoName, health.ServiceName} {
		if now, err := check(service); err != nil || now != health.Serving {
			t.Error(service, now, err)
		}
	}
	if _, err := check("a.Nobody"); status.CodeOf(err) != status.NotFound {
		t.Error("what is not served:", err)
	}
	if err := told.Set("a.Nobody", true); status.CodeOf(err) != status.NotFound {
		t.Error("what is not served:", err)
	}
	watch, err := conn.NewStream(ctx, &rpc.MethodDesc{ServerStreams: true}, health.ServiceName+"/Watch")
	if err != nil {
		t.Fatal(err)
	}
	in, field := message("HealthCheckRequest")
	in.Set(field, protoreflect.ValueOfString(echoName))
	if err := watch.SendMsg(in); err != nil {
		t.Fatal(err)
	}
	if err := watch.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []health.Status{health.Serving, health.NotServing, health.Serving} {
		out, status := message("HealthCheckResponse")
		if err := watch.RecvMsg(out); err != nil || health.Status(out.Get(status).Enum()) != wanted {
			t.Fatal(wanted, out, err)
		}
		if err := told.Set(echoName, wanted == health.NotServing); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := check(echoName); err != nil || now != health.NotServing {
		t.Error(now, err)
	}
}
