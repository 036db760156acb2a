# Every vendor's library, with the least version that works and the Debian package that brings it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(lam_require target module version package)
    pkg_check_modules(${target} IMPORTED_TARGET GLOBAL ${module}>=${version})
    if(NOT ${target}_FOUND)
        message(FATAL_ERROR "Lamina needs ${module} ${version} or newer. On Debian: apt-get install ${package}")
    endif()
endfunction()

lam_require(HDF5 hdf5-serial 1.10.4 libhdf5-dev)
lam_require(RDKAFKA rdkafka 2.0.0 librdkafka-dev)
lam_require(JANSSON jansson 2.13 libjansson-dev)
lam_require(SIMDJSON simdjson 3.0.0 libsimdjson-dev)
lam_require(RE2 re2 0.0.0 libre2-dev) # its .pc file names no version
lam_require(MICROHTTPD libmicrohttpd 0.9.75 libmicrohttpd-dev)
lam_require(CURL libcurl 7.85 libcurl4-openssl-dev)
lam_require(ZLIB zlib 1.2.11 zlib1g-dev)
lam_require(ZSTD libzstd 1.4.8 libzstd-dev)
lam_require(CMARK libcmark-gfm 0.29.0 "libcmark-gfm-dev libcmark-gfm-extensions-dev")
lam_require(GUMBO gumbo 0.10.1 libgumbo-dev)
lam_require(XXHASH libxxhash 0.8.1 libxxhash-dev)
lam_require(ISAL libisal 2.30 libisal-dev)

find_package(MPI 3.1 COMPONENTS C)
if(NOT MPI_C_FOUND)
    message(FATAL_ERROR "Lamina needs an MPI library with version 3.1 of the standard. On Debian: "
        "apt-get install libopenmpi-dev openmpi-bin")
endif()

if(LAMINA_TESTS)
    lam_require(CMOCKA cmocka 1.1.5 libcmocka-dev)
endif()
