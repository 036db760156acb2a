if(TARGET lam_serve)
    lam_fuzzer(query SOURCE ${CMAKE_CURRENT_LIST_DIR}/fuzz_query.c AREAS serve config model base LIBS m)
endif()
