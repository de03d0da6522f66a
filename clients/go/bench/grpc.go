package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	echo "github.com/dswarm/dswarm/clients/go/gen/dswarm/example/v1"
)

const echoMethod = "/dswarm.example.v1.EchoService/Echo"

type grpcEchoServer struct{}

// echoDesc is what protoc-gen-go-grpc would generate for the method that is measured.
var echoDesc = grpc.ServiceDesc{ServiceName: "dswarm.example.v1.EchoService", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
	MethodName: "Echo",
	Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := &echo.EchoRequest{}
		if err := decode(in); err != nil {
			return nil, err
		}
		return &echo.EchoResponse{Payload: in.GetPayload()}, nil
	},
}}}

// serveGRPC prints its address, and serves until stdin ends.
func serveGRPC() error {
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13,
	})))
	server.RegisterService(&echoDesc, grpcEchoServer{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends
		os.Exit(0)
	}()
	fmt.Println(listener.Addr())
	return server.Serve(listener)
}

// dialGRPC takes any certificate, as dswarm's TLS does; it returns the connection and the call.
func dialGRPC(target string) (*grpc.ClientConn, unary, error) {
	conn, err := grpc.NewClient("passthrough:///"+target, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
	})))
	return conn, func(ctx context.Context, in *echo.EchoRequest) (*echo.EchoResponse, error) {
		out := &echo.EchoResponse{}
		return out, conn.Invoke(ctx, echoMethod, in, out)
	}, err
}

// selfSigned makes an EC P-256 certificate.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
