// swift-tools-version: 6.2
import PackageDescription

/// Strict everywhere: Swift 6 mode, every warning an error, imports stated where they are used.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "netanomalyd",
    dependencies: [
        // The operator's tool only; docs/ARCHITECTURE.md says why, and why the daemon itself has no dependency.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // MARK: The two programs
        .executableTarget(
            name: "netanomalyd", dependencies: ["NetAnomalyDaemon", "SelfTest"], swiftSettings: strict),
        .executableTarget(
            name: "netanomalyctl",
            dependencies: [
                "NetAnomalyControl", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // MARK: Composition
        .target(
            name: "NetAnomalyDaemon",
            dependencies: [
                "AnomalyModel", "DaemonConfig", "TracingBackends", "Detectors", "EventPipeline", "SystemdProtocols",
                "CLinux",
            ],
            swiftSettings: strict),
        .target(
            name: "SelfTest",
            dependencies: [
                "AnomalyModel", "DaemonConfig", "TracingBackends", "Detectors", "NetAnomalyDaemon", "CLinux",
            ],
            swiftSettings: strict),
        .target(name: "NetAnomalyControl", swiftSettings: strict),

        // MARK: The four stages: siblings, none may import another
        .target(
            name: "TracingBackends", dependencies: ["AnomalyModel", "CLibbpf", "CDetectorEvents", "CLinux"],
            exclude: ["bpf"], swiftSettings: strict, plugins: ["BPFCompile"]),
        .target(
            name: "Detectors", dependencies: ["AnomalyModel", "CDetectorEvents"], exclude: ["bpf"],
            swiftSettings: strict, plugins: ["BPFCompile"]),
        .target(name: "EventPipeline", dependencies: ["AnomalyModel"], swiftSettings: strict),
        .target(
            name: "SystemdProtocols", dependencies: ["AnomalyModel", "CLinux", "CSystemd"], swiftSettings: strict),

        // MARK: Leaves
        .target(name: "AnomalyModel", swiftSettings: strict),
        .target(name: "DaemonConfig", dependencies: ["AnomalyModel"], swiftSettings: strict),
        // Event layouts and predicates in plain C, read by clang -target bpf and by the Clang importer alike.
        .target(
            name: "CDetectorEvents", path: "Sources/Detectors/bpf",
            exclude: ["arp.bpf.c", "tun_gso.bpf.c", "tun_gso_cast.bpf.c", "kernel", "judge"],
            sources: ["events.c", "host"]),
        .systemLibrary(name: "CLibbpf", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev"])]),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CLinux"),

        // MARK: Build: compiles bpf/*.bpf.c with the toolchain's clang and embeds the objects
        .executableTarget(name: "bpfembed", swiftSettings: strict),
        .plugin(name: "BPFCompile", capability: .buildTool(), dependencies: ["bpfembed"]),

        // MARK: Tests, one target per source target; Tests/lab holds the live ones
        .testTarget(name: "AnomalyModelTests", dependencies: ["AnomalyModel"], swiftSettings: strict),
        .testTarget(name: "DaemonConfigTests", dependencies: ["AnomalyModel", "DaemonConfig"], swiftSettings: strict),
        .testTarget(
            name: "DetectorsTests",
            dependencies: [
                "AnomalyModel", "CDetectorEvents", "DaemonConfig", "Detectors", "NetAnomalyDaemon", "SystemdProtocols",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "EventPipelineTests", dependencies: ["AnomalyModel", "EventPipeline"], swiftSettings: strict),
        .testTarget(
            name: "SystemdProtocolsTests", dependencies: ["AnomalyModel", "CLinux", "SystemdProtocols"],
            swiftSettings: strict),
        .testTarget(
            name: "OutputTests", dependencies: ["AnomalyModel", "NetAnomalyDaemon", "SystemdProtocols"],
            swiftSettings: strict),
        .testTarget(
            name: "TracingBackendsTests", dependencies: ["AnomalyModel", "Detectors", "TracingBackends"],
            swiftSettings: strict),
        .testTarget(
            name: "NetAnomalyDaemonTests",
            dependencies: [
                "AnomalyModel", "CDetectorEvents", "DaemonConfig", "Detectors", "EventPipeline", "NetAnomalyControl",
                "NetAnomalyDaemon", "SystemdProtocols", "TracingBackends",
            ],
            swiftSettings: strict),
        .testTarget(name: "NetAnomalyControlTests", dependencies: ["NetAnomalyControl"], swiftSettings: strict),
        .testTarget(
            name: "SelfTestTests",
            dependencies: ["AnomalyModel", "Detectors", "NetAnomalyDaemon", "SelfTest", "TracingBackends"],
            swiftSettings: strict),
        .testTarget(
            name: "NetanomalydTests", dependencies: ["NetAnomalyDaemon", "netanomalyd"], swiftSettings: strict),
    ]
)
